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

/** The mount of `volume` in `container`. `env` is for subPathExpr. Throws `MountRefusal`. */
export function planMount(
  container: Container,
  mount: VolumeMount,
  volume: Volume,
  env: Readonly<Record<string, string>>,
): MountPlan {
  const subPath = subPathOf(mount, env);
  const bad = badSubPath(subPath);
  if (bad) throw new MountRefusal(bad);
  checkRecursiveReadOnly(mount);
  return {
    containerPath: containerPath(mount.mountPath),
    readOnly: mount.readOnly === true || isReadOnly(volume),
    propagation: propagationOf(container, mount),
    subPath,
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

/** Docker promises recursion to nobody who could check it before version 25; what cannot be had is refused, not faked. */
function checkRecursiveReadOnly({ name, readOnly, recursiveReadOnly }: VolumeMount): void {
  if (recursiveReadOnly !== 'Enabled') return;
  if (!readOnly)
    throw new MountRefusal(`volume "${name}": requested recursive read-only mount, but it is not read-only`);
  throw new MountRefusal(
    `volume "${name}": requested recursive read-only mount, but it is not supported by the runtime`,
  );
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
