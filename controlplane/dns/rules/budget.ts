// How many questions may leave: so many per second, and some at once. State in, state out.

export interface Budget {
  readonly perSecond: number;
  readonly burst: number;
}

export interface Purse {
  readonly left: number;
  readonly atMs: number;
}

/** The purse after one more question, or undefined where it is empty. */
export function spend({ perSecond, burst }: Budget, purse: Purse, nowMs: number): Purse | undefined {
  const earned = (Math.max(0, nowMs - purse.atMs) * perSecond) / 1000;
  const left = Math.min(burst, purse.left + earned);
  return left < 1 ? undefined : { left: left - 1, atMs: nowMs };
}
