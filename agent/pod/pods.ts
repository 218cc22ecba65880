// All pods of the node: what is wanted, what wakes them, and what is known of each.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Pod } from '../../kube/types.ts';
import type { Engine } from '../docker/engine.ts';
import { labels } from '../docker/labels.ts';
import type { DesiredPod, ObservedPod, Termination } from '../model.ts';
import type { Memories } from './memory.ts';
import type { Observer } from './observe.ts';
import { isNews, isRelabelled, isUrgent } from './rules/change.ts';
import type { Workers } from './workers.ts';

export interface PodsParts {
  readonly engine: Engine;
  readonly observer: Observer;
  readonly memories: Memories;
  readonly workers: (desired: (uid: string) => DesiredPod | undefined) => Workers;
  /** UIDs that have a directory, wanted or not. */
  readonly knownDirectories: () => Promise<readonly string[]>;
  /** Sources that must have told all they know before anything unwanted may go. */
  readonly sources: readonly DesiredPod['source'][];
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Pods {
  put(desired: DesiredPod): void;
  remove(uid: string): void;
  /** The source has told all it knew at the start. */
  ready(source: DesiredPod['source']): void;
  list(): readonly DesiredPod[];
  get(uid: string): DesiredPod | undefined;
  observe(uid: string, signal?: AbortSignal): Promise<ObservedPod>;
  observeAll(signal?: AbortSignal): Promise<readonly ObservedPod[]>;
  /** Looks at a pod again: a probe has a verdict, an object that it uses has changed. */
  wake(uid: string): void;
  /** Ends a pod by the node's own will. */
  terminate(uid: string, termination: Termination): void;
  /** Why the engine cannot be relied on; undefined while it answers. */
  engineTrouble(): string | undefined;
  /** Listens to the engine until `signal` ends. Resolves when every turn has ended; containers stay as they are. */
  run(signal: AbortSignal): Promise<void>;
}

const relistMs = 5_000;
const reconnectMs = 1_000;
const directoriesMs = 60_000;
/** As long as upstream lets its runtime be silent. */
const patienceMs = 30_000;

export function createPods(parts: PodsParts): Pods {
  const { engine, observer, memories, clock, log, nodeName } = parts;
  const wanted = new Map<string, DesiredPod>();
  const waitingFor = new Set<string>(parts.sources);
  const workers = parts.workers((uid) => wanted.get(uid));
  const never = new AbortController().signal;
  let seen: ReadonlyMap<string, string> = new Map();
  let answeredAtMs = clock.now();
  let directoriesAtMs = 0;

  const isKnown = (): boolean => waitingFor.size === 0;

  /** Whatever the engine has, changed or not wanted. Until all sources have spoken only the wanted are looked at. */
  async function relist(signal: AbortSignal): Promise<void> {
    const now = await observer.relist(signal);
    answeredAtMs = clock.now();
    for (const uid of new Set([...now.keys(), ...seen.keys()])) {
      const isOrphan = !wanted.has(uid) && now.has(uid);
      if (isOrphan ? isKnown() : wanted.has(uid) && now.get(uid) !== seen.get(uid)) workers.wake(uid);
    }
    seen = now;
    if (!isKnown() || clock.now() - directoriesAtMs < directoriesMs) return;
    directoriesAtMs = clock.now();
    for (const uid of await parts.knownDirectories()) if (!wanted.has(uid)) workers.wake(uid);
  }

  async function keepRelisting(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await relist(signal).catch((err: unknown) => {
        if (!signal.aborted) log.warn({ err }, 'Engine could not be asked for its containers');
      });
      await clock.sleep(relistMs, signal).catch(() => {});
    }
  }

  /** A death is acted on at once. What is missed while the connection is away, the relist finds. */
  async function keepListening(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const { action, labels: of } of engine.events(signal)) {
          const uid = of[labels.podUid];
          const isEnd = action === 'die' || action === 'oom' || action === 'destroy';
          if (isEnd && uid && of[labels.node] === nodeName && (wanted.has(uid) || isKnown())) workers.wake(uid);
        }
      } catch (err) {
        if (!signal.aborted) log.warn({ err }, 'Engine events broke off');
      }
      await clock.sleep(reconnectMs, signal).catch(() => {});
    }
  }

  return {
    put: (desired) => {
      const before = wanted.get(desired.uid);
      wanted.set(desired.uid, desired);
      if (before && isRelabelled(before, desired)) memories.of(desired.uid).areVolumesDue = true;
      if (before && isUrgent(before, desired)) workers.interrupt(desired.uid);
      else if (!before || isNews(before, desired)) workers.wake(desired.uid);
    },
    remove: (uid) => {
      // Its own source says so: nobody else need be heard.
      wanted.delete(uid);
      workers.interrupt(uid);
    },
    ready: (source) => {
      if (!waitingFor.delete(source) || !isKnown()) return;
      for (const uid of new Set([...seen.keys(), ...workers.known()])) if (!wanted.has(uid)) workers.wake(uid);
    },
    list: () => [...wanted.values()],
    get: (uid) => wanted.get(uid),
    observe: (uid, signal = never) => observer.observe(uid, signal),
    observeAll: async (signal = never) =>
      Promise.all([...(await observer.relist(signal)).keys()].map((uid) => observer.observe(uid, signal))),
    wake: (uid) => {
      if (wanted.has(uid)) workers.wake(uid);
    },
    terminate: (uid, termination) => {
      memories.terminate(uid, termination);
      workers.interrupt(uid);
    },
    engineTrouble: () => {
      const silentMs = clock.now() - answeredAtMs;
      return silentMs > patienceMs
        ? `container runtime is down: no answer for ${Math.floor(silentMs / 1000)}s`
        : undefined;
    },
    run: async (signal) => {
      await Promise.all([keepRelisting(signal), keepListening(signal)]);
      await workers.stop();
    },
  };
}

/** A pod with the status that is known best: what this agent said last, else what the API has. */
export const withStatus = ({ pod }: DesiredPod, status: Pod['status'] | undefined): Pod =>
  status ? { ...pod, status } : pod;
