// Keeps the node from running dry: looks at the signals, says what is short, and ends one pod at a time.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Pod } from '../../kube/types.ts';
import type { EventSink, PodUsage, Rejection, Termination } from '../model.ts';
import type { SignalsRead } from './facts.ts';
import { type Eviction, evictionOf, refusalUnderPressure } from './rules/eviction.ts';
import { notePressure, type Pressure, type PressureSeen, pressureOf } from './rules/pressure.ts';
import { type Candidate, rankPods } from './rules/ranking.ts';
import { hasStorageLimits, limitEvictions } from './rules/storage-limits.ts';
import {
  dueThreshold,
  type EvictionSettings,
  type MetThreshold,
  metThresholds,
  pressureKindOf,
  starvedOf,
  thresholdsOf,
} from './rules/thresholds.ts';

export interface EvictionConfig extends EvictionSettings {
  /** evictionPressureTransitionPeriod */
  readonly pressureTransitionMs: number;
  /** evictionMaxPodGracePeriod */
  readonly maxPodGraceSeconds: number;
  /** Between looks; 10 s where it is not given. */
  readonly everyMs?: number;
}

export interface EvictionParts {
  readonly config: EvictionConfig;
  readonly signals: () => Promise<SignalsRead>;
  /** All pods that are not over. */
  readonly pods: () => readonly { readonly pod: Pod; readonly isStatic: boolean }[];
  readonly usage: () => Promise<readonly PodUsage[]>;
  /** Frees what nobody needs on the node's disks: dead containers, unused images. */
  readonly reclaimDisk: (signal: AbortSignal) => Promise<void>;
  readonly terminate: (uid: string, termination: Termination) => void;
  /** Whether a pod that was ended has given everything back. */
  readonly isGone: (uid: string) => boolean;
  /** A pressure has come or gone. */
  readonly onPressure: () => void;
  /** Counts an eviction by its signal. */
  readonly onEvicted: (signal: string) => void;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: Log;
}

export interface EvictionWatch {
  pressure(): Pressure;
  /** Why the node takes no such pod now; undefined when it does. */
  refuses(pod: Pod, isStatic: boolean): Rejection | undefined;
  /** Watches until `signal` ends. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const defaultEveryMs = 10_000;
const cleanUpMs = 30_000;
const cleanUpLookMs = 250;

/** Throws a RangeError where the thresholds cannot be. */
export function createEviction(parts: EvictionParts): EvictionWatch {
  const { config, events, clock, log } = parts;
  const thresholds = thresholdsOf(config);
  let met: readonly MetThreshold[] = [];
  let seen: PressureSeen = {};
  let said = '';

  const pressure = (): Pressure => pressureOf(seen, clock.now(), config.pressureTransitionMs);

  async function look(): Promise<SignalsRead> {
    const read = await parts.signals();
    const nowMs = clock.now();
    met = metThresholds(thresholds, read.signals, met, nowMs);
    const kinds = met.map(({ threshold }) => pressureKindOf(threshold.signal));
    seen = notePressure(kinds, seen, nowMs);
    const words = JSON.stringify(pressure());
    if (words !== said && said !== '') parts.onPressure();
    said = words;
    return read;
  }

  async function candidates(): Promise<Candidate[]> {
    const usage = new Map((await parts.usage()).map((one) => [one.uid, one]));
    return parts.pods().map(({ pod, isStatic }) => ({ pod, isStatic, usage: usage.get(pod.metadata.uid) }));
  }

  function evict({ pod, termination, annotations, signal }: Eviction): string {
    const { uid, namespace, name } = pod.metadata;
    const message = termination.status?.message ?? '';
    log.warn({ pod: `${namespace}/${name}`, podUid: uid, because: termination.because }, 'Pod evicted');
    events.pod(pod, { type: 'Warning', reason: 'Evicted', message, annotations });
    parts.onEvicted(signal);
    parts.terminate(uid, termination);
    return uid;
  }

  async function evictBeyondLimits(): Promise<string[]> {
    if (!parts.pods().some(({ pod }) => hasStorageLimits(pod))) return [];
    return limitEvictions(await candidates()).map(evict);
  }

  /** UIDs of pods that must be gone before the next look tells anything new. */
  async function turn(signal: AbortSignal): Promise<readonly string[]> {
    const first = await look();
    const beyond = await evictBeyondLimits();
    if (beyond.length > 0) return beyond;
    const due = dueThreshold(met, clock.now());
    if (!due) return [];
    const starved = starvedOf(due.threshold.signal);
    const message = `Attempting to reclaim ${starved}`;
    events.node({ type: 'Warning', reason: 'EvictionThresholdMet', message });
    if (pressureKindOf(due.threshold.signal) === 'disk') {
      await parts.reclaimDisk(signal);
      await look();
    }
    const still = met.find(({ threshold }) => threshold === due.threshold);
    if (!still) return [];
    const [loser] = rankPods(await candidates(), still.threshold.signal, first.layout);
    if (!loser) {
      log.error({ because: `the node is low on ${starved}` }, 'No pod can be evicted');
      return [];
    }
    return [evict(evictionOf(loser, still, config.maxPodGraceSeconds))];
  }

  async function untilGone(uids: readonly string[], signal: AbortSignal): Promise<void> {
    const untilMs = clock.now() + cleanUpMs;
    while (!signal.aborted && clock.now() < untilMs && !uids.every(parts.isGone)) {
      await clock.sleep(cleanUpLookMs, signal).catch(() => {});
    }
  }

  return {
    pressure,
    refuses: (pod, isStatic) => refusalUnderPressure({ pod, isStatic }, pressure()),
    run: async (signal) => {
      while (!signal.aborted) {
        try {
          const evicted = await turn(signal);
          if (evicted.length > 0) {
            await untilGone(evicted, signal);
            continue;
          }
        } catch (err) {
          if (!signal.aborted) log.warn({ err }, 'Node pressure could not be watched');
        }
        await clock.sleep(config.everyMs ?? defaultEveryMs, signal).catch(() => {});
      }
    },
  };
}
