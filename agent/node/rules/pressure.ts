// Whether the node runs short: signals against hard eviction thresholds.
import { parseQuantity, value } from '../../../kube/quantity.ts';

/** Signal name → "100Mi" or "10%". */
export type Thresholds = Readonly<Record<string, string>>;

export const defaultThresholds: Thresholds = {
  'memory.available': '100Mi',
  'nodefs.available': '10%',
  'nodefs.inodesFree': '5%',
  'imagefs.available': '15%',
  'imagefs.inodesFree': '5%',
};

/** What is left of something, and how much of it there is. */
export interface Signal {
  readonly available: number;
  readonly capacity: number;
}

export type PressureKind = 'memory' | 'disk' | 'pid';
export type Pressure = Readonly<Record<PressureKind, boolean>>;

/** When each kind was last seen. */
export type PressureSeen = Readonly<Partial<Record<PressureKind, number>>>;

/** A threshold as a number of what `capacity` counts. "0%" and "100%" switch it off. */
export function bytesOf(threshold: string | undefined, capacity: number): number {
  if (threshold === undefined || threshold === '0%' || threshold === '100%') return 0;
  if (threshold.endsWith('%')) return Math.floor((capacity * Number(threshold.slice(0, -1))) / 100);
  return value(parseQuantity(threshold));
}

function kindOf(signal: string): PressureKind {
  return signal.startsWith('memory') ? 'memory' : signal.startsWith('pid') ? 'pid' : 'disk';
}

export function observePressure(
  signals: Readonly<Record<string, Signal>>,
  thresholds: Thresholds,
  seen: PressureSeen,
  nowMs: number,
): PressureSeen {
  const met = Object.entries(signals).filter(
    ([name, { available, capacity }]) => available < bytesOf(thresholds[name], capacity),
  );
  return { ...seen, ...Object.fromEntries(met.map(([name]) => [kindOf(name), nowMs])) };
}

/** A pressure lasts until it has not been seen for the whole transition period: nodes must not flap. */
export function pressureOf(seen: PressureSeen, nowMs: number, transitionMs: number): Pressure {
  const lasts = (kind: PressureKind): boolean => {
    const atMs = seen[kind];
    return atMs !== undefined && (atMs === nowMs || nowMs - atMs < transitionMs);
  };
  return { memory: lasts('memory'), disk: lasts('disk'), pid: lasts('pid') };
}
