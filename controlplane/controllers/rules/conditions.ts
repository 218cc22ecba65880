// Conditions of workloads: set without touching what stays the same.

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
  readonly lastUpdateTime?: string;
}

export const conditionOf = <T extends { type: string }>(all: readonly T[] | undefined, type: string): T | undefined =>
  all?.find((one) => one.type === type);

/** As it was where status and reason are as they were; the time of transition stays while the status does. */
export function withCondition<T extends Condition>(all: readonly T[], wanted: T): T[] {
  const known = conditionOf(all, wanted.type);
  if (known?.status === wanted.status && known.reason === wanted.reason) return [...all];
  const sameStatus = known?.status === wanted.status && known.lastTransitionTime !== undefined;
  const rest = all.filter(({ type }) => type !== wanted.type);
  return [...rest, sameStatus ? { ...wanted, lastTransitionTime: known.lastTransitionTime } : wanted];
}

export const withoutCondition = <T extends { type: string }>(all: readonly T[], type: string): T[] =>
  all.filter((one) => one.type !== type);
