// Volumes whose data lies elsewhere and outlives the pod: a directory of this node (local) or of a server (NFS), mounted for the pod.
import { mkdir, realpath, stat } from 'node:fs/promises';
import { bindMount, listMounts, mount, mountAt } from '../../host/mounts.ts';
import type { Pod } from '../../kube/types.ts';
import { ensureFormatted, isBlockDevice } from './block.ts';
import { giveToGroup, isGivenToGroup } from './ownership.ts';
import { hasBackstep } from './rules/paths.ts';
import { SetUpError } from './rules/set-up-error.ts';

export interface LocalVolume {
  readonly path: string;
  readonly readOnly: boolean;
  readonly mountOptions: readonly string[];
  /** Of a device that is new. */
  readonly fileSystem: string;
  /** Where a device's file system is mounted for all pods. */
  readonly shared: string;
  /** Called with the group that the volume has, where other pods use it and this one's is another. */
  readonly onOtherGroup: (gid: number) => void;
}

/** Binds a directory of the node, or a device's file system, at `target`. Repeatable. */
export async function ensureLocal(pod: Pod, local: LocalVolume, target: string, signal: AbortSignal): Promise<void> {
  const { path, readOnly, mountOptions, fileSystem, shared, onOtherGroup } = local;
  if (await mountAt(target)) return;
  if (!path.startsWith('/') || hasBackstep(path)) {
    throw new SetUpError(`invalid path: ${path} must be absolute and not contain '..'`);
  }
  const found = await realpath(path).catch(() => undefined);
  if (found === undefined) throw new SetUpError(`path "${path}" does not exist`);
  // First of all: who has a directory for a volume uses it.
  await mkdir(target, { recursive: true, mode: 0o750 });
  const isDevice = await isBlockDevice(found);
  if (isDevice) await ensureFormatted({ device: found, fileSystem, mountOptions }, shared, signal);
  const source = isDevice ? shared : found;
  if (!(await stat(source)).isDirectory()) throw new SetUpError(`path "${path}" is not a directory`);
  const fsGroup = pod.spec.securityContext?.fsGroup;
  const { gid } = await stat(source);
  if (fsGroup !== undefined && fsGroup !== gid && (await isMountedElsewhere(target))) onOtherGroup(gid);
  // Before the mount, so that a mount means that all of it is done.
  if (!readOnly) await applyGroup(pod, source);
  await bindMount(source, target, readOnly ? ['ro'] : []);
}

/** Whether another pod has the same volume: all have it below a directory of the same name. */
async function isMountedElsewhere(target: string): Promise<boolean> {
  const end = target.slice(target.lastIndexOf('/volumes/'));
  return (await listMounts()).some(({ mountPoint }) => mountPoint !== target && mountPoint.endsWith(end));
}

async function applyGroup({ spec }: Pod, path: string): Promise<void> {
  const { fsGroup: gid, fsGroupChangePolicy } = spec.securityContext ?? {};
  if (gid === undefined) return;
  if (fsGroupChangePolicy === 'OnRootMismatch' && (await isGivenToGroup(path, gid))) return;
  await giveToGroup(path, { gid, access: 'readWrite' });
}

export interface NfsShare {
  readonly server: string;
  readonly path: string;
  readonly readOnly?: boolean;
}

/** Mounts a server's directory at `target`. Repeatable. */
export async function ensureNfs(
  { server, path, readOnly }: NfsShare,
  mountOptions: readonly string[],
  target: string,
  signal: AbortSignal,
): Promise<void> {
  if (await mountAt(target)) return;
  await mkdir(target, { recursive: true, mode: 0o750 });
  const host = server.includes(':') && !server.startsWith('[') ? `[${server}]` : server;
  await mount('nfs', `${host}:${path}`, target, [...mountOptions, ...(readOnly ? ['ro'] : [])], signal);
}
