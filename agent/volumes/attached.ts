// Volumes whose data lies elsewhere and outlives the pod: a directory of this node (local) or of a server (NFS), mounted for the pod.
import { mkdir, realpath, stat } from 'node:fs/promises';
import { bindMount, mount, mountAt } from '../../host/mounts.ts';
import type { Pod } from '../../kube/types.ts';
import { giveToGroup, isGivenToGroup } from './ownership.ts';
import { hasBackstep } from './rules/paths.ts';
import { SetUpError } from './rules/set-up-error.ts';

/** Binds a directory of the node at `target`. Repeatable. */
export async function ensureLocal(pod: Pod, path: string, target: string): Promise<void> {
  if (await mountAt(target)) return;
  if (!path.startsWith('/') || hasBackstep(path)) {
    throw new SetUpError(`invalid path: ${path} must be absolute and not contain '..'`);
  }
  const source = await realpath(path).catch(() => undefined);
  if (source === undefined) throw new SetUpError(`path "${path}" does not exist`);
  if (!(await stat(source)).isDirectory()) throw new SetUpError(`path "${path}" is not a directory`);
  // Before the mount, so that a mount means that all of it is done.
  await applyGroup(pod, source);
  await mkdir(target, { recursive: true, mode: 0o750 });
  await bindMount(source, target);
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
