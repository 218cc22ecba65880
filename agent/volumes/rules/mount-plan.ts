// How a container sees a volume: where, read-only or not, what of it, and which later mounts reach it.

import type { Container, Volume, VolumeMount } from '../../../kube/types.ts';
import type { ContainerMounts } from '../../model.ts';
import { isWritten } from './kinds.ts';
import { badSubPath } from './paths.ts';

type BindMount = ContainerMounts[number];

export interface MountPlan extends Omit<BindMount, 'hostPath'> {
  /** Below the volume's root; "" for the whole of it. */
  readonly subPath: string;
}

/** A mount that the container cannot have; the message is the Waiting message. */
export class MountRefusal extends Error {
  override readonly name = 'MountRefusal';
}

const propagations: Readonly<Record<string, BindMount['propagation']>> = {
  None: 'rprivate',
  HostToContainer: 'rslave',
  Bidirectional: 'rshared',
};

export interface MountFacts {
  /** For subPathExpr. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether the engine can make the mounts below a read-only mount read-only. */
  readonly canRecurse: boolean;
}

/** The mount of `volume` in `container`. Throws `MountRefusal`. */
export function planMount(
  container: Container,
  mount: VolumeMount,
  volume: Volume,
  { env, canRecurse }: MountFacts,
): MountPlan {
  const subPath = subPathOf(mount, env);
  const bad = badSubPath(subPath);
  if (bad) throw new MountRefusal(bad);
  return {
    containerPath: containerPath(mount.mountPath),
    readOnly: mount.readOnly === true || isReadOnly(volume),
    propagation: propagationOf(container, mount),
    subPath,
    ...(isRecursivelyReadOnly(mount, canRecurse) ? { isRecursivelyReadOnly: true } : {}),
  };
}

function isReadOnly(volume: Volume): boolean {
  if (isWritten(volume) || volume.image) return true;
  return volume.persistentVolumeClaim?.readOnly === true || volume.nfs?.readOnly === true;
}

function containerPath(path: string): string {
  // A colon would change the meaning of the mount where an engine takes "source:target:options".
  if (path === '' || /[:\0]/.test(path)) throw new MountRefusal(`invalid mountPath "${path}": must not contain ':'`);
  return path.startsWith('/') ? path : `/${path}`;
}

function propagationOf({ name, securityContext }: Container, mount: VolumeMount): BindMount['propagation'] {
  const propagation = propagations[mount.mountPropagation ?? 'None'];
  if (!propagation) throw new MountRefusal(`invalid MountPropagation mode: "${mount.mountPropagation}"`);
  if (propagation === 'rshared' && securityContext?.privileged !== true) {
    throw new MountRefusal(
      `Bidirectional mount propagation of volume "${mount.name}" is available only to privileged containers, and "${name}" is none`,
    );
  }
  return propagation;
}

/** Whether the mounts below become read-only too. What cannot be had is refused where it is demanded, not faked. */
function isRecursivelyReadOnly(mount: VolumeMount, canRecurse: boolean): boolean {
  const { name, readOnly, recursiveReadOnly: wanted, mountPropagation = 'None' } = mount;
  if (!wanted || wanted === 'Disabled') return false;
  const refuse = (detail: string) =>
    new MountRefusal(
      `failed to resolve recursive read-only mode: volume "${name}" requested recursive read-only mode, but it is ${detail}`,
    );
  if (!readOnly) throw refuse('not read-only');
  if (mountPropagation !== 'None') throw refuse(`not compatible with propagation "${mountPropagation}"`);
  if (wanted === 'Enabled' && !canRecurse) throw refuse('not supported by the runtime');
  return canRecurse;
}

/** subPath as given, or subPathExpr with $(NAME) replaced; `$$(NAME)` stays `$(NAME)`. A name without a value is refused. */
export function subPathOf({ subPath, subPathExpr }: VolumeMount, env: Readonly<Record<string, string>>): string {
  if (!subPathExpr) return subPath ?? '';
  const missing = new Set<string>();
  const expanded = subPathExpr.replace(/\$\$|\$\(([^)]*)\)/g, (reference, name: string | undefined) => {
    if (name === undefined) return '$';
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    if (!value) missing.add(name);
    return value ?? reference;
  });
  if (missing.size > 0) throw new MountRefusal(`missing value for ${[...missing].toSorted().join(', ')}`);
  return expanded;
}
