// Whether the node runs short, and for how long it is said to.
import { parseQuantity, value } from '../../../kube/quantity.ts';

/** Signal name → "100Mi" or "10%". */
export type Thresholds = Readonly<Record<string, string>>;

/** What is left of something, and how much of it there is. */
export interface Signal {
  readonly available: number;
  readonly capacity: number;
}

export type PressureKind = 'memory' | 'disk' | 'pid';
export type Pressure = Readonly<Record<PressureKind, boolean>>;
export const noPressure: Pressure = { memory: false, disk: false, pid: false };

/** When each kind was last seen. */
export type PressureSeen = Readonly<Partial<Record<PressureKind, number>>>;

/** A threshold as a number of what `capacity` counts. "0%" and "100%" switch it off. */
export function bytesOf(threshold: string | undefined, capacity: number): number {
  if (threshold === undefined || threshold === '0%' || threshold === '100%') return 0;
  if (threshold.endsWith('%')) return Math.floor((capacity * Number(threshold.slice(0, -1))) / 100);
  return value(parseQuantity(threshold));
}

/** The kinds that are seen now, beside what was seen before. */
export const notePressure = (kinds: readonly PressureKind[], seen: PressureSeen, nowMs: number): PressureSeen => ({
  ...seen,
  ...Object.fromEntries(kinds.map((kind) => [kind, nowMs])),
});

/** A pressure lasts until it has not been seen for the whole transition period: nodes must not flap. */
export function pressureOf(seen: PressureSeen, nowMs: number, transitionMs: number): Pressure {
  const lasts = (kind: PressureKind): boolean => {
    const atMs = seen[kind];
    return atMs !== undefined && (atMs === nowMs || nowMs - atMs < transitionMs);
  };
  return { memory: lasts('memory'), disk: lasts('disk'), pid: lasts('pid') };
}
