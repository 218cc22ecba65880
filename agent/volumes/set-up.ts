// Makes one volume ready, whatever its kind, and says where it lies on this node.
import type { PersistentVolume, Pod, Volume } from '../../kube/types.ts';
import { type EventSink, VolumeError } from '../model.ts';
import { ensureLocal, ensureNfs } from './attached.ts';
import { ensureDeviceLink } from './block.ts';
import type { Claims } from './claims.ts';
import type { DriverVolumes } from './csi/csi.ts';
import { ensureMedium, isReady, type Medium, markReady } from './empty-dir.ts';
import { ensureHostPath } from './host-path.ts';
import type { PodLayout } from './layout.ts';
import { giveToGroup } from './ownership.ts';
import { claimNameOf } from './rules/claims.ts';
import { claimedDriverVolume, type DriverVolume, inlineVolume } from './rules/csi.ts';
import { hugePageSize, tmpfsSizeBytes } from './rules/empty-dir.ts';
import { kindOf } from './rules/kinds.ts';
import { SetUpError } from './rules/set-up-error.ts';
import type { Turns } from './turns.ts';
import { ensureWritten, type WrittenSources, writtenDirectory } from './written.ts';

export interface SetUpSources extends WrittenSources {
  /** Undefined where there is no API server to ask. */
  readonly claims: Claims | undefined;
  readonly events: EventSink;
  /** One after the other for each local volume, which several pods may share. */
  readonly localTurns: Turns;
  /** Undefined where there is no API server to ask. */
  readonly drivers: DriverVolumes | undefined;
}

/** Everything that setting up one volume of a pod takes. */
interface SetUp {
  readonly pod: Pod;
  readonly volume: Volume;
  readonly layout: PodLayout;
  readonly sources: SetUpSources;
  readonly signal: AbortSignal;
}

/** Resolves with the volume's directory or file on this node. Repeatable. Throws `VolumeError` with the FailedMount text. */
export async function setUpVolume(one: SetUp): Promise<string> {
  const { name } = one.volume;
  try {
    return await setUp(one);
  } catch (error) {
    one.signal.throwIfAborted();
    if (error instanceof VolumeError) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new VolumeError(name, `MountVolume.SetUp failed for volume "${name}" : ${detail}`, error);
  }
}

async function setUp(one: SetUp): Promise<string> {
  const { pod, volume, layout, sources, signal } = one;
  const written = writtenDirectory(layout, volume);
  if (written !== undefined) {
    await ensureWritten(pod, volume, written, sources, signal);
    return written;
  }
  if (claimNameOf(pod, volume) !== undefined) return setUpClaim(one);
  switch (kindOf(volume)) {
    case 'emptyDir':
      return setUpEmptyDir(one);
    case 'hostPath':
      await ensureHostPath(volume.hostPath?.path ?? '', volume.hostPath?.type ?? '');
      return volume.hostPath?.path ?? '';
    case 'csi':
      return setUpDriverVolume(one, inlineVolume(pod, volume));
    case 'nfs':
      return setUpNfs(one, volume.name, volume, []);
    default:
      throw new SetUpError(`volumes of kind ${kindOf(volume)} are not supported by this node`);
  }
}

async function setUpEmptyDir({ pod, volume, layout, sources, signal }: SetUp): Promise<string> {
  const directory = layout.volume('empty-dir', volume.name);
  const marker = layout.readyMarker(volume.name);
  const isOld = await isReady(marker);
  const isMountedNow = await ensureMedium(directory, mediumOf(pod, volume, sources), signal);
  if (isOld && !isMountedNow) return directory;
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

async function setUpNfs(
  { layout, signal }: SetUp,
  name: string,
  { nfs }: Pick<Volume, 'nfs'>,
  mountOptions: readonly string[],
): Promise<string> {
  const directory = layout.volume('nfs', name);
  if (nfs) await ensureNfs(nfs, mountOptions, directory, signal);
  return directory;
}

async function setUpDriverVolume({ pod, layout, sources, signal }: SetUp, volume: DriverVolume): Promise<string> {
  if (!sources.drivers) throw new SetUpError('volumes of storage drivers need an API server');
  return sources.drivers.ensure(pod, volume, layout, signal);
}

async function setUpClaim(one: SetUp): Promise<string> {
  const { pod, volume, layout, sources, signal } = one;
  const claimed = await claimedVolume(one);
  const { metadata, spec } = claimed;
  if (spec?.hostPath) {
    await ensureHostPath(spec.hostPath.path, spec.hostPath.type ?? '');
    return spec.hostPath.path;
  }
  if (spec?.local) {
    if (spec.volumeMode === 'Block') {
      const link = layout.device('local-volume', metadata.name);
      await ensureDeviceLink(spec.local.path, link);
      return link;
    }
    const directory = layout.volume('local-volume', metadata.name);
    const local = {
      path: spec.local.path,
      readOnly: volume.persistentVolumeClaim?.readOnly === true,
      mountOptions: spec.mountOptions ?? [],
      fileSystem: spec.local.fsType ?? 'ext4',
      shared: layout.localMount(metadata.name),
      onOtherGroup: (gid: number): void => {
        const asked = `The requested fsGroup is ${pod.spec.securityContext?.fsGroup}`;
        const message = `${asked}, but the volume ${metadata.name} has GID ${gid}. The volume may not be shareable.`;
        sources.events.pod(pod, { type: 'Warning', reason: 'AlreadyMountedVolume', message });
      },
    };
    await sources.localTurns.take(metadata.name, () => ensureLocal(pod, local, directory, signal));
    return directory;
  }
  if (spec?.nfs) {
    const readOnly = spec.nfs.readOnly === true || volume.persistentVolumeClaim?.readOnly === true;
    return setUpNfs(one, metadata.name, { nfs: { ...spec.nfs, readOnly } }, spec.mountOptions ?? []);
  }
  if (spec?.csi) {
    const isReadOnly = volume.persistentVolumeClaim?.readOnly === true;
    return setUpDriverVolume(one, claimedDriverVolume(claimed, isReadOnly));
  }
  throw new SetUpError(`persistent volume "${metadata.name}" is of a kind that is not supported by this node`);
}

/** A claim that cannot be used yet is told of as upstream does: before any mount was tried. */
async function claimedVolume({ pod, volume, sources, signal }: SetUp): Promise<PersistentVolume> {
  try {
    if (!sources.claims) throw new SetUpError('claims need an API server');
    return await sources.claims.volumeOf(pod, volume, signal);
  } catch (error) {
    signal.throwIfAborted();
    const { name } = volume;
    const detail = error instanceof Error ? error.message : String(error);
    const volumes = `unmounted volumes=[${name}], unattached volumes=[], failed to process volumes=[${name}]`;
    throw new VolumeError(name, `Unable to attach or mount volumes: ${volumes}: ${detail}`, error);
  }
}
