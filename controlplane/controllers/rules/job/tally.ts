// Counts how the pods of a Job ended, each once, whatever becomes of the pod: noted first, then let go, then counted.
import type { Job, Pod } from '../../../../kube/types.ts';
import type { Action } from '../../../model.ts';
import { hasFailed, hasSucceeded, isTracked, release } from './pods.ts';

export interface Tally {
  /** Ended pods that are counted, and those that are noted. */
  readonly succeeded: number;
  readonly failed: number;
  readonly counted: { readonly succeeded: number; readonly failed: number };
  readonly noted: { readonly succeeded: readonly string[]; readonly failed: readonly string[] };
  readonly actions: readonly Action[];
}

export function tally(job: Job, owned: readonly Pod[]): Tally {
  const { succeeded = 0, failed = 0, uncountedTerminatedPods = {} } = job.status ?? {};
  const byUid = new Map(owned.map((pod) => [pod.metadata.uid, pod]));
  const before = { succeeded: uncountedTerminatedPods.succeeded ?? [], failed: uncountedTerminatedPods.failed ?? [] };
  const known = new Set([...before.succeeded, ...before.failed]);
  const isLetGo = (uid: string): boolean => {
    const pod = byUid.get(uid);
    return !pod || !isTracked(pod);
  };
  const ended = owned.filter((pod) => isTracked(pod) && !known.has(pod.metadata.uid));
  const uids = (all: readonly Pod[]): string[] => all.map(({ metadata }) => metadata.uid);
  const noted = {
    succeeded: [...before.succeeded.filter((uid) => !isLetGo(uid)), ...uids(ended.filter(hasSucceeded))],
    failed: [...before.failed.filter((uid) => !isLetGo(uid)), ...uids(ended.filter((pod) => hasFailed(pod, job)))],
  };
  const counted = {
    succeeded: succeeded + before.succeeded.filter(isLetGo).length,
    failed: failed + before.failed.filter(isLetGo).length,
  };
  return {
    succeeded: counted.succeeded + noted.succeeded.length,
    failed: counted.failed + noted.failed.length,
    counted,
    noted,
    // Only what the server already knows to be noted may be let go.
    actions: owned.filter((pod) => known.has(pod.metadata.uid) && isTracked(pod)).map(release),
  };
}
