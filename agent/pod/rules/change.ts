// What an update of a pod means: whether it is news at all, and whether it may wait for the end of the turn that runs.
import type { Pod } from '../../../kube/types.ts';
import type { DesiredPod } from '../../model.ts';

const graceOf = ({ pod }: DesiredPod): number =>
  pod.metadata.deletionTimestamp === undefined
    ? Number.POSITIVE_INFINITY
    : (pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30);

/** It has to go now, or faster than it was asked to before. */
export const isUrgent = (before: DesiredPod, after: DesiredPod): boolean => graceOf(after) < graceOf(before);

const isTerminal = (phase: string | undefined): boolean => phase === 'Failed' || phase === 'Succeeded';

/** Of a status, what others may decide: the end, the start that a deadline counts from, and the gates of readiness. */
function saidByOthers({ spec, status }: Pod): unknown {
  const gates = new Set(spec.readinessGates?.map(({ conditionType }) => conditionType));
  return [
    isTerminal(status?.phase) ? status?.phase : undefined,
    spec.activeDeadlineSeconds === undefined ? undefined : status?.startTime,
    (status?.conditions ?? []).filter(({ type }) => gates.has(type)),
  ];
}

/** The API server writes an object's fields in one order: what says the same is the same text. */
function wishOf(pod: Pod): string {
  const { resourceVersion: _, managedFields: __, ...metadata } = pod.metadata;
  return JSON.stringify([metadata, pod.spec, saidByOthers(pod)]);
}

/** False for the echo of our own status: a turn for it would only repeat what the last one tried. */
export const isNews = (before: DesiredPod, after: DesiredPod): boolean => wishOf(before.pod) !== wishOf(after.pod);

/** Labels and annotations are in files of the pod's own volumes. */
export function isRelabelled({ pod: before }: DesiredPod, { pod: after }: DesiredPod): boolean {
  const shown = ({ metadata }: Pod): string => JSON.stringify([metadata.labels ?? {}, metadata.annotations ?? {}]);
  return shown(before) !== shown(after);
}
