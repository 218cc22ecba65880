// How single findings become a verdict: thresholds, and no more probing once a container is given up.
import type { Probe } from '../../../kube/types.ts';
import type { ProbeType } from '../model.ts';

/** What a probe knows of one run of a container. */
export interface Tally {
  readonly containerId: string;
  /** What was concluded; undefined before the first time. */
  readonly verdict: boolean | undefined;
  readonly last: boolean | undefined;
  /** How often `last` was found in a row. */
  readonly run: number;
  /** Concluded for good: nothing is asked until another container runs. */
  readonly isOnHold: boolean;
}

export function newTally(containerId: string): Tally {
  return { containerId, verdict: undefined, last: undefined, run: 0, isOnHold: false };
}

export function count(tally: Tally, type: ProbeType, probe: Probe, isGood: boolean): Tally {
  const run = tally.last === isGood ? tally.run + 1 : 1;
  const threshold = isGood ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
  if (run < threshold) return { ...tally, last: isGood, run };
  const isOnHold = type === 'startup' || (type === 'liveness' && !isGood);
  return { ...tally, verdict: isGood, last: isGood, run: isOnHold ? 0 : run, isOnHold };
}
