// Image volumes: an image's files, read-only and without running any. Newer engines mount images themselves; for older ones
// the layers are mounted here, and a container that never runs keeps the engine from removing them.
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mountAt, mountLayers, unmountBelow } from '../../host/mounts.ts';
import { type Engine, isConflict } from '../docker/engine.ts';
import { labels } from '../docker/labels.ts';
import type { MountedImage } from '../model.ts';
import type { PodLayout } from './layout.ts';
import { namesIn } from './removal.ts';

export type ImageEngine = Pick<Engine, 'info' | 'createContainer' | 'removeContainer' | 'listContainers'>;

export interface ImageVolumes {
  /** Resolves with the directory below `directory` that shows the image. Repeatable: each image is mounted once. */
  ensure(podUid: string, directory: string, image: MountedImage, signal: AbortSignal): Promise<string>;
  /** Unmounts the pod's image volumes and lets go of the images. Repeatable. */
  release(podUid: string, layout: PodLayout, signal: AbortSignal): Promise<void>;
}

const options = ['ro', 'noexec', 'nosuid', 'nodev'];

export function createImageVolumes(engine: ImageEngine | undefined, nodeName: string): ImageVolumes {
  function needed(): ImageEngine {
    if (!engine) throw new Error('image volumes need a container engine');
    return engine;
  }

  async function hold(podUid: string, { id }: MountedImage, signal: AbortSignal): Promise<void> {
    try {
      const name = `nodelet_image_${podUid}_${shortId(id)}`;
      const marks = { [labels.node]: nodeName, [labels.holdsImageFor]: podUid };
      // An image of files alone has no command, and the engine wants one.
      const plan = { name, image: id, labels: marks, entrypoint: ['/never-run'], networkMode: 'none' };
      await needed().createContainer(plan, signal);
    } catch (error) {
      // The name says pod and image: it is held already.
      if (!isConflict(error)) throw error;
    }
  }

  return {
    ensure: async (podUid, directory, image, signal) => {
      if (!image.layers) throw new Error('image volumes need the storage driver overlay2, or Docker 28');
      const target = join(directory, shortId(image.id));
      await hold(podUid, image, signal);
      if (await mountAt(target)) return target;
      await mkdir(target, { recursive: true, mode: 0o750 });
      await mountLayers(await shortLayers(image.layers), target, options);
      return target;
    },
    release: async (podUid, { imageVolumes }, signal) => {
      // The directories stay until here has been done: they say that there is something to let go of.
      if (!engine || (await namesIn(imageVolumes)).length === 0) return;
      await unmountBelow(imageVolumes, signal);
      for (const { id } of await engine.listContainers({ [labels.holdsImageFor]: podUid }, signal)) {
        await engine.removeContainer(id, signal);
      }
    },
  };
}

/** "sha256:0123456789abcdef…" → "0123456789ab" */
function shortId(id: string): string {
  const hex = /^(?:sha256:)?([0-9a-f]{12})/.exec(id)?.[1];
  if (!hex) throw new Error(`Image id ${JSON.stringify(id)} is none`);
  return hex;
}

/** overlay2 gives each layer a short link beside it, so that the names of 128 layers fit into one page. */
async function shortLayers(layers: readonly string[]): Promise<{ base: string; layers: readonly string[] }> {
  const base = dirname(dirname(layers[0] ?? ''));
  const links = layers.map(async (layer) => `l/${(await readFile(join(dirname(layer), 'link'), 'utf8')).trim()}`);
  return { base, layers: await Promise.all(links) };
}
