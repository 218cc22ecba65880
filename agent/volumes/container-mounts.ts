// What a container gets mounted: each volume's directory, or a part of it bound safely aside.
import { release } from 'node:os';
import type { Log } from '../../host/log.ts';
import type { Container, VolumeMount } from '../../kube/types.ts';
import type { BindMount } from '../docker/engine.ts';
import { type DesiredPod, type MountContext, VolumeError } from '../model.ts';
import type { ImageVolumes } from './image.ts';
import type { PodLayout } from './layout.ts';
import { mountsImages, mountsRecursivelyReadOnly } from './rules/engine.ts';
import { planMount } from './rules/mount-plan.ts';
import { bindSubPath, ensureSubPath } from './sub-path.ts';

export interface ContainerMountsParts {
  readonly desired: DesiredPod;
  readonly container: Container;
  readonly context: MountContext;
  readonly layout: PodLayout;
  /** Where the pod's volumes lie, by name. */
  readonly directories: ReadonlyMap<string, string>;
  readonly images: ImageVolumes;
  /** "20.10.24", "" where there is no engine. */
  readonly engineVersion: (signal: AbortSignal) => Promise<string>;
  readonly log: Log;
}

/** The binds in the order of the spec; subPaths become mounts of their own. Repeatable. Throws `VolumeError`. */
export async function containerMounts(parts: ContainerMountsParts, signal: AbortSignal): Promise<readonly BindMount[]> {
  const mounts: BindMount[] = [];
  for (const [index, mount] of (parts.container.volumeMounts ?? []).entries()) {
    signal.throwIfAborted();
    try {
      mounts.push(await bindOf(parts, mount, index, signal));
    } catch (error) {
      throw new VolumeError(mount.name, error instanceof Error ? error.message : String(error), error);
    }
  }
  return mounts;
}

async function bindOf(
  parts: ContainerMountsParts,
  mount: VolumeMount,
  index: number,
  signal: AbortSignal,
): Promise<BindMount> {
  const { desired, container, context, directories, images, layout, engineVersion } = parts;
  const volume = desired.pod.spec.volumes?.find(({ name }) => name === mount.name);
  const image = context.images?.get(mount.name);
  const directory = directories.get(mount.name);
  if (!volume || (!image && directory === undefined)) {
    throw new Error(`cannot find volume "${mount.name}" to mount into container "${container.name}"`);
  }
  const version = image || mount.recursiveReadOnly ? await engineVersion(signal) : '';
  const canRecurse = mountsRecursivelyReadOnly(version, release());
  const { subPath, ...plan } = planMount(container, mount, volume, { env: context.env, canRecurse });
  if (image && mountsImages(version)) return { ...plan, hostPath: subPath, imageId: image.id };
  const root = image ? await images.ensure(desired.uid, layout.volume('image', mount.name), image, signal) : directory;
  const hostPath = subPath === '' ? (root ?? '') : await bindPart(parts, mount, index, root ?? '', subPath);
  // The mount itself is read-only and runs no programs; an engine that made it read-only again would forget the latter.
  return { hostPath, ...plan, ...(image ? { readOnly: false } : {}) };
}

/** The pod's words say only that it failed; the log says why: a pod must not learn of the host through its events. */
async function bindPart(
  { desired, container, layout, log }: ContainerMountsParts,
  { name }: VolumeMount,
  index: number,
  directory: string,
  subPath: string,
): Promise<string> {
  const target = layout.subPath(name, container.name, index);
  const of = `for volumeMount "${name}" of container "${container.name}"`;
  const refuse = (what: string) => (err: unknown) => {
    log.warn({ podUid: desired.uid, container: container.name, volume: name, err }, 'Volume subPath refused');
    throw new Error(`${what} ${of}`, { cause: err });
  };
  await ensureSubPath(directory, subPath).catch(refuse('failed to create subPath directory'));
  await bindSubPath(directory, subPath, target).catch(refuse('failed to prepare subPath'));
  return target;
}
