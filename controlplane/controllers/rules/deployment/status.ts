// What a Deployment's status says: counts, whether it is available, and whether its rollout goes on, is through or is stuck.
import type { Deployment, ReplicaSet } from '../../../../kube/types.ts';
import { type Condition, conditionOf, withCondition, withoutCondition } from '../conditions.ts';
import { timeText } from '../pod-conditions.ts';
import { availableOf, limitsOf, replicasOf, type Sets, sum } from './sets.ts';

export type DeploymentStatus = NonNullable<Deployment['status']>;

/** So long means: no deadline at all. */
const never = 2_147_483_647;
const complete = 'NewReplicaSetAvailable';
const timedOut = 'ProgressDeadlineExceeded';

export const hasDeadline = ({ spec }: Deployment): boolean =>
  spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== never;

export const conditionsOf = ({ status }: Deployment): Condition[] => [...((status?.conditions ?? []) as Condition[])];

export function condition(
  type: string,
  status: Condition['status'],
  reason: string,
  message: string,
  nowMs: number,
): Condition {
  const now = timeText(nowMs);
  return { type, status, reason, message, lastUpdateTime: now, lastTransitionTime: now };
}

/** The counts, and whether enough pods are available. `known`: the conditions so far. */
export function countsOf(
  deployment: Deployment,
  { current, old }: Sets,
  known: readonly Condition[],
  nowMs: number,
): DeploymentStatus & { conditions: Condition[] } {
  const all = current ? [...old, current] : old;
  const available = sum(all, availableOf);
  const counts = {
    replicas: sum(all, (one) => one.status?.replicas ?? 0),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: sum(all, (one) => one.status?.readyReplicas ?? 0),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, sum(all, replicasOf) - available),
  };
  const { collisionCount } = deployment.status ?? {};
  return {
    ...(deployment.metadata.generation === undefined ? {} : { observedGeneration: deployment.metadata.generation }),
    ...Object.fromEntries(Object.entries(counts).filter(([, value]) => value > 0)),
    terminatingReplicas: sum(all, (one) => one.status?.terminatingReplicas ?? 0),
    conditions: withCondition(known, availability(deployment, available, nowMs)),
    ...(collisionCount === undefined ? {} : { collisionCount }),
  };
}

function availability(deployment: Deployment, available: number, nowMs: number): Condition {
  const enough = available >= replicasOf(deployment) - limitsOf(deployment).unavailable;
  return enough
    ? condition('Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.', nowMs)
    : condition(
        'Available',
        'False',
        'MinimumReplicasUnavailable',
        'Deployment does not have minimum availability.',
        nowMs,
      );
}

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = replicasOf(deployment);
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function hasProgressed(before: DeploymentStatus, now: DeploymentStatus): boolean {
  const old = ({ replicas = 0, updatedReplicas = 0 }: DeploymentStatus): number => replicas - updatedReplicas;
  return (
    (now.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(now) < old(before) ||
    (now.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

/** When the rollout is called stuck; undefined where that question is settled. */
export function deadlineMs(deployment: Deployment, known: readonly Condition[]): number | undefined {
  const progressing = conditionOf(known, 'Progressing');
  if (!progressing || !hasDeadline(deployment)) return undefined;
  if (progressing.reason === complete || progressing.reason === timedOut) return undefined;
  return Date.parse(progressing.lastUpdateTime ?? '') + (deployment.spec.progressDeadlineSeconds ?? 0) * 1000;
}

/** The status during a rollout. */
export function rolloutStatus(
  deployment: Deployment,
  sets: Sets,
  known: readonly Condition[],
  nowMs: number,
): DeploymentStatus {
  const status = countsOf(deployment, sets, known, nowMs);
  return { ...status, conditions: withFailure(progress(deployment, sets, status, nowMs), sets) } as DeploymentStatus;
}

function progress(
  deployment: Deployment,
  { current }: Sets,
  status: DeploymentStatus & { conditions: Condition[] },
  nowMs: number,
): Condition[] {
  const { conditions } = status;
  if (!hasDeadline(deployment)) return withoutCondition(conditions, 'Progressing');
  const known = conditionOf(conditions, 'Progressing');
  const settled = known?.reason === complete && (status.replicas ?? 0) === (status.updatedReplicas ?? 0);
  if (settled) return conditions;
  const what = current ? `ReplicaSet "${current.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  const say = (truth: Condition['status'], reason: string, words: string): Condition =>
    condition('Progressing', truth, reason, `${what} ${words}`, nowMs);
  if (isComplete(deployment, status))
    return withCondition(conditions, say('True', complete, 'has successfully progressed.'));
  if (hasProgressed(deployment.status ?? {}, status)) {
    const news = say('True', 'ReplicaSetUpdated', 'is progressing.');
    const since = known?.status === 'True' ? { lastTransitionTime: known.lastTransitionTime ?? timeText(nowMs) } : {};
    // Its time must move on with each step, or a slow rollout would count as a stuck one.
    return [...withoutCondition(conditions, 'Progressing'), { ...news, ...since }];
  }
  const due = deadlineMs(deployment, conditions);
  const late = known?.reason === timedOut || (due !== undefined && due < nowMs);
  return late ? withCondition(conditions, say('False', timedOut, 'has timed out progressing.')) : conditions;
}

/** A set that cannot make its pods says so through the Deployment; the current one first. */
function withFailure(conditions: readonly Condition[], { current, old }: Sets): Condition[] {
  const failureOf = (one: ReplicaSet): Condition | undefined =>
    conditionOf((one.status?.conditions ?? []) as Condition[], 'ReplicaFailure');
  const [failure] = [...(current ? [current] : []), ...old].map(failureOf).filter((one) => one !== undefined);
  if (!failure) return withoutCondition(conditions, 'ReplicaFailure');
  const { lastTransitionTime } = failure;
  return withCondition(conditions, {
    ...failure,
    ...(lastTransitionTime === undefined ? {} : { lastUpdateTime: lastTransitionTime }),
  });
}
