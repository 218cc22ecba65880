// Group ownership of a volume: which mode a file gets when a pod has an fsGroup, and who reads tokens.
import type { Pod } from '../../../kube/types.ts';

const setGroupId = 0o2000;

/** The permission bits after fsGroup: the group may do what a reader or writer must, and new files inherit it. */
export function groupMode(mode: number, kind: 'directory' | 'file', access: 'readOnly' | 'readWrite'): number {
  const group = access === 'readOnly' ? 0o440 : 0o660;
  const directory = kind === 'directory' ? setGroupId | 0o110 : 0;
  return (mode & 0o7777) | group | directory;
}

/** Whether a volume's root already looks as fsGroup would leave it: all that policy OnRootMismatch asks. */
export function rootMatches(root: { mode: number; gid: number }, fsGroup: number): boolean {
  const wanted = 0o660 | 0o110 | setGroupId;
  return root.gid === fsGroup && (root.mode & wanted) === wanted;
}

/** The user that all containers run as; undefined where they differ or one does not say. */
export function commonUser(pod: Pod): number | undefined {
  const { spec } = pod;
  const containers = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
  const users = new Set(
    containers.map(({ securityContext }) => securityContext?.runAsUser ?? spec.securityContext?.runAsUser),
  );
  return users.size === 1 ? [...users][0] : undefined;
}

/** A token is its owner's alone; with an fsGroup the group pass adds the group's read bit. */
export function tokenFile(pod: Pod, defaultMode: number): { mode: number; uid?: number } {
  const uid = commonUser(pod);
  const alone = uid !== undefined || pod.spec.securityContext?.fsGroup !== undefined;
  return { mode: alone ? 0o600 : defaultMode, ...(uid === undefined ? {} : { uid }) };
}
