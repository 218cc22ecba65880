// Makes one volume ready, whatever its kind, and says where it lies on this node.

import type { Pod, Volume } from '../../kube/types.ts';
import { VolumeError } from '../model.ts';
import { ensureMedium, isReady, type Medium, markReady } from './empty-dir.ts';
import { ensureHostPath } from './host-path.ts';
import type { PodLayout } from './layout.ts';
import { giveToGroup } from './ownership.ts';
import { hugePageSize, tmpfsSizeBytes } from './rules/empty-dir.ts';
import { kindOf } from './rules/kinds.ts';
import { SetUpError } from './rules/set-up-error.ts';
import { ensureWritten, type WrittenSources, writtenDirectory } from './written.ts';

export type SetUpSources = WrittenSources;

/** Resolves with the volume's directory or file on this node. Repeatable. Throws `VolumeError` with the FailedMount text. */
export async function setUpVolume(
  pod: Pod,
  volume: Volume,
  layout: PodLayout,
  sources: SetUpSources,
  signal: AbortSignal,
): Promise<string> {
  try {
    return await setUp(pod, volume, layout, sources, signal);
  } catch (error) {
    signal.throwIfAborted();
    const detail = error instanceof Error ? error.message : String(error);
    throw new VolumeError(volume.name, `MountVolume.SetUp failed for volume "${volume.name}" : ${detail}`, error);
  }
}

async function setUp(
  pod: Pod,
  volume: Volume,
  layout: PodLayout,
  sources: SetUpSources,
  signal: AbortSignal,
): Promise<string> {
  const written = writtenDirectory(layout, volume);
  if (written !== undefined) {
    await ensureWritten(pod, volume, written, sources, signal);
    return written;
  }
  switch (kindOf(volume)) {
    case 'emptyDir':
      return setUpEmptyDir(pod, volume, layout, sources, signal);
    case 'hostPath':
      await ensureHostPath(volume.hostPath?.path ?? '', volume.hostPath?.type ?? '');
      return volume.hostPath?.path ?? '';
    default:
      throw new SetUpError(`volumes of kind ${kindOf(volume)} are not supported by this node`);
  }
}

async function setUpEmptyDir(
  pod: Pod,
  volume: Volume,
  layout: PodLayout,
  sources: SetUpSources,
  signal: AbortSignal,
): Promise<string> {
  const directory = layout.volume('empty-dir', volume.name);
  const marker = layout.readyMarker(volume.name);
  const isOld = await isReady(marker);
  await ensureMedium(directory, mediumOf(pod, volume, sources), signal);
  if (isOld) return directory;
  const gid = pod.spec.securityContext?.fsGroup;
  if (gid !== undefined) await giveToGroup(directory, { gid, access: 'readWrite' });
  await markReady(marker);
  return directory;
}

function mediumOf(pod: Pod, { emptyDir }: Volume, { allocatable }: SetUpSources): Medium {
  const medium = emptyDir?.medium ?? '';
  if (medium === '') return { kind: 'disk' };
  if (medium === 'Memory') {
    return { kind: 'memory', sizeBytes: tmpfsSizeBytes(pod, emptyDir?.sizeLimit, allocatable()) };
  }
  const pageSize = medium.startsWith('HugePages') ? hugePageSize(pod, medium) : undefined;
  if (pageSize === undefined) throw new SetUpError(`unknown storage medium "${medium}"`);
  return { kind: 'hugePages', pageSize };
}
