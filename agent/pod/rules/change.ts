// Whether news of a pod may wait for the end of the turn that runs.
import type { DesiredPod } from '../../model.ts';

const graceOf = ({ pod }: DesiredPod): number =>
  pod.metadata.deletionTimestamp === undefined
    ? Number.POSITIVE_INFINITY
    : (pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30);

/** It has to go now, or faster than it was asked to before. */
export const isUrgent = (before: DesiredPod, after: DesiredPod): boolean => graceOf(after) < graceOf(before);
