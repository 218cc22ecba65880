// How many pods of a budget may be taken away now: what is wanted, what is healthy, and what evictions have taken already.
import {
  deployments,
  podDisruptionBudgets,
  pods,
  type Resource,
  replicaSets,
  replicationControllers,
  statefulSets,
} from '../../../kube/resources.ts';
import { matchesLabels, selectorOf } from '../../../kube/selectors.ts';
import type { KubeObject, Pod, PodDisruptionBudget } from '../../../kube/types.ts';
import type { Action, Outcome, View } from '../../model.ts';
import { type Condition, withCondition } from './conditions.ts';
import { countOf } from './counts.ts';
import { controllerOf } from './ownership.ts';
import { isReady, timeText } from './pod-conditions.ts';
import { sameContent } from './same.ts';

/** An eviction that has not deleted its pod by then has failed. */
const evictionMs = 120_000;

type Status = NonNullable<PodDisruptionBudget['status']>;
type Scaled = KubeObject & { spec?: { replicas?: number } };

const scaledKinds: Readonly<Record<string, Resource<KubeObject>>> = {
  Deployment: deployments,
  ReplicaSet: replicaSets,
  ReplicationController: replicationControllers,
  StatefulSet: statefulSets,
};

export function selectsPod({ spec }: PodDisruptionBudget, { metadata }: Pod): boolean {
  return spec.selector !== undefined && matchesLabels(selectorOf(spec.selector), metadata.labels);
}

export function planBudget(budget: PodDisruptionBudget, view: View, nowMs: number): Outcome {
  const selected = view.list(pods, budget.metadata.namespace).filter((pod) => selectsPod(budget, pod));
  const { disruptedPods, againInMs } = underWay(budget, selected, nowMs);
  const healthy = selected.filter(
    (pod) => isReady(pod) && !pod.metadata.deletionTimestamp && !Object.hasOwn(disruptedPods, pod.metadata.name),
  ).length;
  const { expected, desired } = wanted(budget, selected, view);
  const allowed = expected > 0 ? Math.max(0, healthy - desired) : 0;
  const status = {
    ...(budget.metadata.generation === undefined ? {} : { observedGeneration: budget.metadata.generation }),
    ...(Object.keys(disruptedPods).length > 0 ? { disruptedPods } : {}),
    disruptionsAllowed: allowed,
    currentHealthy: healthy,
    desiredHealthy: desired,
    expectedPods: expected,
    conditions: conditionsOf(budget, allowed, nowMs),
  } as Status;
  return { actions: planStatus(budget, status), ...(againInMs === undefined ? {} : { againInMs }) };
}

/** Pods that were promised to an eviction and are still there. */
function underWay({ status }: PodDisruptionBudget, selected: readonly Pod[], nowMs: number) {
  const there = new Set(
    selected.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name),
  );
  const entries = Object.entries(status?.disruptedPods ?? {}).filter(
    ([name, since]) => there.has(name) && Date.parse(since) + evictionMs > nowMs,
  );
  const ends = entries.map(([, since]) => Date.parse(since) + evictionMs - nowMs);
  return {
    disruptedPods: Object.fromEntries(entries),
    againInMs: ends.length > 0 ? Math.min(...ends) : undefined,
  };
}

function wanted(
  { spec }: PodDisruptionBudget,
  selected: readonly Pod[],
  view: View,
): { expected: number; desired: number } {
  const { minAvailable, maxUnavailable } = spec;
  if (typeof minAvailable === 'number') return { expected: selected.length, desired: minAvailable };
  const expected = expectedOf(selected, view);
  if (maxUnavailable !== undefined)
    return { expected, desired: Math.max(0, expected - countOf(maxUnavailable, expected, 'up')) };
  return { expected, desired: countOf(minAvailable, expected, 'up') };
}

/** What the owners of the pods want, each counted once; a pod that nobody scales stands for itself. */
function expectedOf(selected: readonly Pod[], view: View): number {
  const scales = new Map<string, number>();
  for (const pod of selected) {
    const owner = topOwner(pod, view);
    const uid = owner?.metadata.uid ?? pod.metadata.uid;
    scales.set(uid, owner ? (owner.spec?.replicas ?? 1) : 1);
  }
  return [...scales.values()].reduce((sum, one) => sum + one, 0);
}

function topOwner(object: KubeObject, view: View): Scaled | undefined {
  const reference = controllerOf(object);
  const of = reference && scaledKinds[reference.kind];
  const owner = of && view.get<Scaled>(of, `${object.metadata.namespace}/${reference.name}`);
  if (!owner || owner.metadata.uid !== reference.uid) return undefined;
  return topOwner(owner, view) ?? owner;
}

function conditionsOf({ status, metadata }: PodDisruptionBudget, allowed: number, nowMs: number): Condition[] {
  const condition = {
    type: 'DisruptionAllowed',
    status: allowed > 0 ? 'True' : 'False',
    reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
    message: '',
    lastTransitionTime: timeText(nowMs),
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
  } as const;
  return withCondition((status?.conditions ?? []) as Condition[], condition);
}

function planStatus(budget: PodDisruptionBudget, status: Status): Action[] {
  if (sameContent(budget.status, status)) return [];
  const because = `${status.currentHealthy} of ${status.desiredHealthy} are healthy`;
  const object = { ...budget, status } as PodDisruptionBudget;
  return [{ do: 'Update', of: podDisruptionBudgets, object, subresource: 'status', because }];
}
