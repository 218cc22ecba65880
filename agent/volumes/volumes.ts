// The volumes of all pods on this node: ready before containers start, kept up to date while they run, gone before the pod is.
import { mkdir, realpath } from 'node:fs/promises';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import { makeShared, mountOf } from '../../host/mounts.ts';
import type { Container, Pod, VolumeMount } from '../../kube/types.ts';
import type { BindMount } from '../docker/engine.ts';
import { type DesiredPod, type EventSink, type PodObjects, VolumeError, type Volumes } from '../model.ts';
import { isWrittenOnce } from './atomic-writer.ts';
import { podLayout, podsDirectory } from './layout.ts';
import { namesIn } from './removal.ts';
import type { Allocatable } from './rules/downward.ts';
import { isWritten, refersTo, usedVolumes } from './rules/kinds.ts';
import { planMount } from './rules/mount-plan.ts';
import { type SetUpSources, setUpVolume } from './set-up.ts';
import { bindSubPath, ensureSubPath } from './sub-path.ts';
import { removePodDirectory, tearDownVolumes } from './tear-down.ts';
import { createTurns } from './turns.ts';
import { writtenDirectory } from './written.ts';

export interface VolumesParts {
  /** Holds `pods/<uid>/…`. */
  readonly rootDir: string;
  readonly objects: PodObjects;
  readonly node: { allocatable(): Allocatable };
  readonly events: EventSink;
  readonly log: Log;
  readonly clock: Clock;
}

export interface VolumesRoom extends Volumes {
  /** Keeps written volumes up to date until `signal` ends. Resolves then; never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** As long as upstream waits before it says which volumes are missing. */
const deadlineMs = 123_000;
/** Objects tell of their changes; this is for tokens, labels and what was missed. */
const resyncMs = 60_000;
const refreshesAtOnce = 8;

interface KnownPod {
  readonly desired: DesiredPod;
  /** By volume name: where it lies on this node. */
  readonly directories: Map<string, string>;
  refreshedAtMs: number;
}

export function createVolumes(parts: VolumesParts): VolumesRoom {
  const { objects, node, events, log, clock } = parts;
  const sources: SetUpSources = { objects, allocatable: () => node.allocatable(), now: () => clock.now() };
  const turns = createTurns();
  const pods = new Map<string, KnownPod>();
  let root: Promise<string> | undefined;

  /** Mounts that privileged containers make below the root must be able to reach other containers: the root is shared. */
  async function prepareRoot(): Promise<string> {
    await mkdir(podsDirectory(parts.rootDir), { recursive: true, mode: 0o750 });
    const path = await realpath(parts.rootDir);
    if (!(await mountOf(path))?.shared) await makeShared(path);
    return path;
  }

  function rootDir(): Promise<string> {
    root ??= prepareRoot().catch((error: unknown) => {
      root = undefined;
      throw error;
    });
    return root;
  }

  const layoutOf = async (uid: string) => podLayout(await rootDir(), uid);

  function failed(pod: Pod, error: VolumeError): void {
    events.pod(pod, { type: 'Warning', reason: 'FailedMount', message: error.message });
  }

  async function setUpAll(desired: DesiredPod, unmounted: Set<string>, signal: AbortSignal): Promise<void> {
    const { uid, pod } = desired;
    const layout = await layoutOf(uid);
    const known: KnownPod = { desired, directories: new Map(), refreshedAtMs: clock.now() };
    pods.set(uid, known);
    const failures: VolumeError[] = [];
    await Promise.all(
      usedVolumes(pod).map(async (volume) => {
        try {
          known.directories.set(volume.name, await setUpVolume(pod, volume, layout, sources, signal));
        } catch (error) {
          if (!(error instanceof VolumeError)) throw error;
          const written = writtenDirectory(layout, volume);
          // What containers see already goes on being seen, old as it may be.
          if (written === undefined || !(await isWrittenOnce(written))) failures.push(error);
          else {
            known.directories.set(volume.name, written);
            failed(pod, error);
          }
        }
        unmounted.delete(volume.name);
      }),
    );
    const [first, ...others] = failures;
    for (const other of others) failed(pod, other);
    if (first) throw first;
  }

  async function ensure(desired: DesiredPod, signal: AbortSignal): Promise<void> {
    const unmounted = new Set(usedVolumes(desired.pod).map(({ name }) => name));
    if (unmounted.size === 0) return;
    const ended = new AbortController();
    const ready = turns.take(desired.uid, () => setUpAll(desired, unmounted, signal));
    const late = clock.sleep(deadlineMs, AbortSignal.any([signal, ended.signal])).then(() => {
      const names = [...unmounted].toSorted();
      const message = `unmounted volumes=[${names.join(' ')}], unattached volumes=[], failed to process volumes=[]: context deadline exceeded`;
      throw new VolumeError(names[0] ?? '', `Unable to attach or mount volumes: ${message}`);
    });
    try {
      await Promise.race([ready, late]);
    } finally {
      ended.abort();
      late.catch(() => {});
    }
  }

  async function refresh(uid: string, signal: AbortSignal): Promise<void> {
    const known = pods.get(uid);
    if (!known) return;
    const { pod } = known.desired;
    known.refreshedAtMs = clock.now();
    const layout = await layoutOf(uid);
    for (const volume of usedVolumes(pod).filter(isWritten)) {
      try {
        await setUpVolume(pod, volume, layout, sources, signal);
      } catch (error) {
        if (error instanceof VolumeError) failed(pod, error);
        else if (!signal.aborted) log.error({ podUid: uid, volume: volume.name, err: error }, 'Volume refresh failed');
      }
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    const changed = new Set<string>();
    let wake = Promise.withResolvers<void>();
    const forgetChanges = objects.onChange((kind, namespace, name) => {
      for (const [uid, { desired }] of pods) {
        const { metadata, spec } = desired.pod;
        if (metadata.namespace !== namespace) continue;
        if (spec.volumes?.some((volume) => refersTo(volume, kind, name))) changed.add(uid);
      }
      if (changed.size > 0) wake.resolve();
    });
    while (!signal.aborted) {
      await Promise.race([wake.promise, clock.sleep(resyncMs / 4, signal).catch(() => {})]);
      wake = Promise.withResolvers<void>();
      const now = clock.now();
      for (const [uid, { refreshedAtMs }] of pods) if (now - refreshedAtMs >= resyncMs) changed.add(uid);
      const batch = [...changed];
      changed.clear();
      await inParallel(batch, refreshesAtOnce, (uid) => turns.take(uid, () => refresh(uid, signal)));
    }
    forgetChanges();
  }

  async function hostPathOf(
    desired: DesiredPod,
    container: Container,
    mount: VolumeMount,
    index: number,
    subPath: string,
  ): Promise<string> {
    const directory = pods.get(desired.uid)?.directories.get(mount.name);
    if (directory === undefined) throw new Error(`volume "${mount.name}" is not ready`);
    if (subPath === '') return directory;
    const what = `subPath directory for volumeMount "${mount.name}" of container "${container.name}"`;
    const target = (await layoutOf(desired.uid)).subPath(mount.name, container.name, index);
    await ensureSubPath(directory, subPath).catch((error: unknown) => {
      log.warn({ podUid: desired.uid, container: container.name, volume: mount.name, err: error }, 'SubPath refused');
      throw new Error(`failed to create ${what}`, { cause: error });
    });
    await bindSubPath(directory, subPath, target).catch((error: unknown) => {
      log.warn({ podUid: desired.uid, container: container.name, volume: mount.name, err: error }, 'SubPath refused');
      throw new Error(`failed to prepare ${what.replace('directory ', '')}`, { cause: error });
    });
    return target;
  }

  async function mountOne(
    desired: DesiredPod,
    container: Container,
    env: Readonly<Record<string, string>>,
    mount: VolumeMount,
    index: number,
  ): Promise<BindMount> {
    try {
      const volume = desired.pod.spec.volumes?.find(({ name }) => name === mount.name);
      if (!volume) throw new Error(`cannot find volume "${mount.name}" to mount into container "${container.name}"`);
      const { subPath, ...plan } = planMount(container, mount, volume, env);
      return { hostPath: await hostPathOf(desired, container, mount, index, subPath), ...plan };
    } catch (error) {
      throw new VolumeError(mount.name, error instanceof Error ? error.message : String(error), error);
    }
  }

  return {
    run,
    ensure,
    mountsFor: (desired, container, env, signal) =>
      turns.take(desired.uid, async () => {
        const mounts: BindMount[] = [];
        for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
          signal.throwIfAborted();
          mounts.push(await mountOne(desired, container, env, mount, index));
        }
        return mounts;
      }),
    remove: (uid, signal) =>
      turns.take(uid, async () => {
        pods.delete(uid);
        await tearDownVolumes(await layoutOf(uid), signal);
      }),
    forget: (uid, signal) =>
      turns.take(uid, async () => {
        pods.delete(uid);
        await removePodDirectory(await layoutOf(uid), signal);
      }),
    known: async () => namesIn(podsDirectory(await rootDir())),
  };
}

async function inParallel<T>(items: readonly T[], atOnce: number, act: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const lane = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await act(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
}
