// The images that the scheduler may count on: the largest first, few names each.
import type { NodeStatus } from '../../../kube/types.ts';
import type { ImageSummary } from '../../docker/engine.ts';

const namesPerImage = 5;

export function nodeImages(images: readonly ImageSummary[], most: number): NonNullable<NodeStatus['images']> {
  return images
    .map(({ digests, tags, sizeBytes }) => ({
      names: [...digests, ...tags].filter((name) => !name.includes('<none>')).slice(0, namesPerImage),
      sizeBytes,
    }))
    .filter(({ names }) => names.length > 0)
    .sort((a, b) => b.sizeBytes - a.sizeBytes || ((a.names[0] ?? '') < (b.names[0] ?? '') ? -1 : 1))
    .slice(0, most);
}
