// Eviction thresholds: what the configuration asks for, and which of them the machine's signals meet.
import { bytesOf, type PressureKind, type Signal, type Thresholds } from './pressure.ts';

/** What pods are evicted for, in the words of the eviction message. */
export type Starved = 'memory' | 'ephemeral-storage' | 'inodes' | 'pids';

const starvedBy = {
  'memory.available': 'memory',
  'allocatableMemory.available': 'memory',
  'nodefs.available': 'ephemeral-storage',
  'nodefs.inodesFree': 'inodes',
  'imagefs.available': 'ephemeral-storage',
  'imagefs.inodesFree': 'inodes',
  'pid.available': 'pids',
} as const satisfies Record<string, Starved>;

export type SignalName = keyof typeof starvedBy;

export const starvedOf = (signal: SignalName): Starved => starvedBy[signal];

export const pressureKindOf = (signal: SignalName): PressureKind =>
  starvedOf(signal) === 'memory' ? 'memory' : starvedOf(signal) === 'pids' ? 'pid' : 'disk';

export interface EvictionSettings {
  readonly hard: Thresholds;
  readonly soft: Thresholds;
  /** By signal: how long a soft threshold must be met. */
  readonly softGraceMs: Readonly<Record<string, number>>;
  /** By signal: what must be free beyond the threshold before it counts as resolved. */
  readonly minimumReclaim: Thresholds;
}

export interface Threshold {
  readonly signal: SignalName;
  readonly amount: string;
  /** 0: a hard threshold. */
  readonly graceMs: number;
  readonly reclaim: string | undefined;
}

const isOff = (amount: string): boolean => amount === '0%' || amount === '100%';
/** Docker's layers lie with its images; thresholds for them alone are accepted and follow those. */
const derived = new Set(['containerfs.available', 'containerfs.inodesFree']);

function signalOf(name: string): SignalName {
  if (Object.hasOwn(starvedBy, name)) return name as SignalName;
  const known = Object.keys(starvedBy).join(', ');
  throw new RangeError(`Cannot watch eviction signal "${name}": want one of ${known}`);
}

/** Throws a RangeError for an unknown signal, and for a soft threshold without a grace period. */
export function thresholdsOf({ hard, soft, softGraceMs, minimumReclaim }: EvictionSettings): readonly Threshold[] {
  const list = (amounts: Thresholds, graceOf: (signal: string) => number): Threshold[] =>
    Object.entries(amounts)
      .filter(([name, amount]) => !isOff(amount) && !derived.has(name))
      .map(([name, amount]) => {
        const signal = signalOf(name);
        return { signal, amount, graceMs: graceOf(signal), reclaim: minimumReclaim[signal] };
      });
  const graceOf = (signal: string): number => {
    const graceMs = softGraceMs[signal];
    if (graceMs === undefined || graceMs <= 0)
      throw new RangeError(`grace period must be specified for the soft eviction threshold ${signal}`);
    return graceMs;
  };
  const all = [...list(hard, () => 0), ...list(soft, graceOf)];
  // What pods together may use is as scarce as what the machine has.
  const forPods = all.flatMap((threshold): Threshold[] =>
    threshold.signal === 'memory.available' && threshold.graceMs === 0
      ? [{ ...threshold, signal: 'allocatableMemory.available' }]
      : [],
  );
  const isMemory = ({ signal }: Threshold): number => (starvedOf(signal) === 'memory' ? 0 : 1);
  return [...all, ...forPods].sort((a, b) => isMemory(a) - isMemory(b));
}

export interface MetThreshold {
  readonly threshold: Threshold;
  readonly signal: Signal;
  readonly sinceMs: number;
}

/** Those that are met now. One that was met before stays so until its minimum reclaim is free too. */
export function metThresholds(
  thresholds: readonly Threshold[],
  signals: Readonly<Partial<Record<SignalName, Signal>>>,
  before: readonly MetThreshold[],
  nowMs: number,
): readonly MetThreshold[] {
  return thresholds.flatMap((threshold) => {
    const signal = signals[threshold.signal];
    if (!signal) return [];
    const known = before.find((met) => met.threshold === threshold);
    const more = known ? bytesOf(threshold.reclaim, signal.capacity) : 0;
    if (signal.available >= bytesOf(threshold.amount, signal.capacity) + more) return [];
    return [{ threshold, signal, sinceMs: known?.sinceMs ?? nowMs }];
  });
}

/** The first that asks for deeds now: hard ones at once, soft ones after their grace. */
export const dueThreshold = (met: readonly MetThreshold[], nowMs: number): MetThreshold | undefined =>
  met.find(({ threshold, sinceMs }) => nowMs - sinceMs >= threshold.graceMs);
