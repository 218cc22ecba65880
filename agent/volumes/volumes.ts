// The volumes of all pods on this node: ready before containers start, kept up to date while they run, gone before the pod is.
import { mkdir, realpath } from 'node:fs/promises';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import { makeShared, mountOf, unmountBelow } from '../../host/mounts.ts';
import type { ApiClient } from '../../kube/client.ts';
import type { Pod, Volume } from '../../kube/types.ts';
import { type DesiredPod, type EventSink, type PodObjects, VolumeError, type Volumes } from '../model.ts';
import { isWrittenOnce } from './atomic-writer.ts';
import { releaseLocal } from './block.ts';
import { createClaims } from './claims.ts';
import { containerDevices } from './container-devices.ts';
import { containerMounts } from './container-mounts.ts';
import { createDriverVolumes } from './csi/csi.ts';
import { withDeadline } from './deadline.ts';
import { createImageVolumes, type ImageEngine } from './image.ts';
import { type PodLayout, podLayout, podsDirectory } from './layout.ts';
import { keepFresh } from './refresher.ts';
import { namesIn } from './removal.ts';
import { claimNameOf } from './rules/claims.ts';
import type { Allocatable } from './rules/downward.ts';
import { isWritten, readiedVolumes, usedVolumes } from './rules/kinds.ts';
import { type SetUpSources, setUpVolume } from './set-up.ts';
import { removePodDirectory, tearDownVolumes } from './tear-down.ts';
import { createTurns } from './turns.ts';
import { writtenDirectory } from './written.ts';

export interface NodeFacts {
  readonly name: string;
  allocatable(): Allocatable;
  labels(): Readonly<Record<string, string>>;
}

export interface VolumesParts {
  /** Holds `pods/<uid>/…`. */
  readonly rootDir: string;
  readonly objects: PodObjects;
  readonly node: NodeFacts;
  readonly events: EventSink;
  readonly log: Log;
  readonly clock: Clock;
  /** For claims; without it pods that have one wait. */
  readonly client?: ApiClient;
  /** For image volumes; without it pods that have one wait. */
  readonly engine?: ImageEngine;
}

export interface VolumesRoom extends Volumes {
  /** Keeps written volumes up to date until `signal` ends. Resolves then; never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** As long as upstream waits before it says which volumes are missing. */
const deadlineMs = 123_000;

interface KnownPod {
  readonly pod: Pod;
  /** By volume name: where it lies on this node. */
  readonly directories: Map<string, string>;
  refreshedAtMs: number;
}

export function createVolumes(parts: VolumesParts): VolumesRoom {
  const { objects, node, events, log, clock, client } = parts;
  const claims = client && createClaims(client, () => ({ name: node.name, labels: node.labels() }));
  const drivers =
    client && createDriverVolumes({ rootDir: () => rootDir(), nodeName: node.name, client, objects, clock, log });
  const localTurns = createTurns();
  const sources: SetUpSources = {
    objects,
    localTurns,
    events,
    claims,
    drivers,
    allocatable: () => node.allocatable(),
    now: () => clock.now(),
  };
  const images = createImageVolumes(parts.engine, node.name);
  const engineVersion = async (signal: AbortSignal): Promise<string> =>
    (await parts.engine?.info(signal))?.version ?? '';
  const turns = createTurns();
  const pods = new Map<string, KnownPod>();
  const rootDir = onceItWorks(() => prepareRoot(parts.rootDir));
  const layoutOf = async (uid: string): Promise<PodLayout> => podLayout(await rootDir(), uid);

  function failed(pod: Pod, error: VolumeError): void {
    events.pod(pod, { type: 'Warning', reason: 'FailedMount', message: error.message });
  }

  /** Resolves with what must keep the pod waiting. */
  async function setUpOne(
    known: KnownPod,
    volume: Volume,
    layout: PodLayout,
    signal: AbortSignal,
  ): Promise<VolumeError | undefined> {
    const { pod, directories } = known;
    // A claim that was mounted for this pod stays its own: nobody needs to ask the API again.
    if (claimNameOf(pod, volume) !== undefined && directories.has(volume.name)) return undefined;
    try {
      directories.set(volume.name, await setUpVolume({ pod, volume, layout, sources, signal }));
    } catch (error) {
      if (!(error instanceof VolumeError)) throw error;
      const written = writtenDirectory(layout, volume);
      if (written === undefined || !(await isWrittenOnce(written))) return error;
      // What containers see already goes on being seen, old as it may be.
      directories.set(volume.name, written);
      failed(pod, error);
    }
    return undefined;
  }

  async function setUpAll({ uid, pod }: DesiredPod, unmounted: Set<string>, signal: AbortSignal): Promise<void> {
    const layout = await layoutOf(uid);
    const directories = pods.get(uid)?.directories ?? new Map<string, string>();
    const known: KnownPod = { pod, directories, refreshedAtMs: clock.now() };
    pods.set(uid, known);
    const outcomes = readiedVolumes(pod).map(async (volume) => {
      const error = await setUpOne(known, volume, layout, signal);
      unmounted.delete(volume.name);
      return error;
    });
    const errors = (await Promise.all(outcomes)).filter((error) => error !== undefined);
    for (const error of errors) failed(pod, error);
    if (errors[0]) throw errors[0];
  }

  async function refresh(uid: string, signal: AbortSignal): Promise<void> {
    const known = pods.get(uid);
    if (!known) return;
    const { pod } = known;
    known.refreshedAtMs = clock.now();
    const layout = await layoutOf(uid);
    for (const volume of usedVolumes(pod).filter(isWritten)) {
      try {
        await setUpVolume({ pod, volume, layout, sources, signal });
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof VolumeError) failed(pod, error);
        else log.error({ podUid: uid, volume: volume.name, err: error }, 'Volume refresh failed');
      }
    }
    await drivers?.refresh(pod, layout, signal);
  }

  function takeAway(
    uid: string,
    remove: (layout: PodLayout, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    return turns.take(uid, async () => {
      pods.delete(uid);
      const layout = await layoutOf(uid);
      // What hides a part of a volume goes before the volume: its driver finds it idle.
      await unmountBelow(layout.subPaths, signal);
      await drivers?.release(uid, layout, signal);
      await releaseLocal(layout, localTurns);
      await images.release(uid, layout, signal);
      await remove(layout, signal);
      claims?.release(uid);
    });
  }

  return {
    async ensure(desired, signal) {
      const unmounted = new Set(readiedVolumes(desired.pod).map(({ name }) => name));
      if (unmounted.size === 0) return;
      const work = turns.take(desired.uid, () => setUpAll(desired, unmounted, signal));
      const late = (): VolumeError => notInTime([...unmounted].toSorted());
      await withDeadline(work, { clock, milliseconds: deadlineMs, late }, signal);
    },
    mountsFor: (desired, container, context, signal) =>
      turns.take(desired.uid, async () => {
        const directories = pods.get(desired.uid)?.directories ?? new Map<string, string>();
        const layout = await layoutOf(desired.uid);
        return containerMounts(
          { desired, container, context, layout, directories, images, engineVersion, log },
          signal,
        );
      }),
    devicesFor: ({ uid, pod }, container) =>
      turns.take(uid, () => containerDevices(pod, container, pods.get(uid)?.directories ?? new Map())),
    remove: (uid, signal) => takeAway(uid, tearDownVolumes, signal),
    forget: (uid, signal) => takeAway(uid, removePodDirectory, signal),
    known: async () => namesIn(podsDirectory(await rootDir())),
    run: async (signal) => {
      const refreshOne = (uid: string): Promise<void> =>
        turns
          .take(uid, () => refresh(uid, signal))
          .catch((err: unknown) => log.error({ podUid: uid, err }, 'Volume refresh failed'));
      const fresh = keepFresh({ objects, clock, pods: () => pods, refresh: refreshOne }, signal);
      await Promise.all([fresh, drivers?.run(signal)]);
    },
  };
}

function notInTime(names: readonly string[]): VolumeError {
  const volumes = `unmounted volumes=[${names.join(' ')}], unattached volumes=[], failed to process volumes=[]`;
  return new VolumeError(names[0] ?? '', `Unable to attach or mount volumes: ${volumes}: context deadline exceeded`);
}

/** Mounts that privileged containers make below the root must be able to reach other containers: the root is shared. */
async function prepareRoot(rootDir: string): Promise<string> {
  await mkdir(podsDirectory(rootDir), { recursive: true, mode: 0o750 });
  const path = await realpath(rootDir);
  if (!(await mountOf(path))?.shared) await makeShared(path);
  return path;
}

function onceItWorks<T>(act: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= act().catch((error: unknown) => {
      result = undefined;
      throw error;
    });
    return result;
  };
}
