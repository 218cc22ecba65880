// Keeps as many pods of one template as a ReplicaSet or a ReplicationController wants, and says how many there are.
import { pods, type Resource, replicaSets, replicationControllers } from '../../../kube/resources.ts';
import { type LabelSelector, matchesLabels, selectorOf } from '../../../kube/selectors.ts';
import type { KubeObject, Pod, ReplicaSet, ReplicationController } from '../../../kube/types.ts';
import { type Action, nothing, type Outcome, type View } from '../../model.ts';
import { type Condition, conditionOf, withCondition, withoutCondition } from './conditions.ts';
import { claim, controllerOf, isOwnedBy, strays } from './ownership.ts';
import { isReady, timeText } from './pod-conditions.ts';
import {
  byLoss,
  deletePod,
  isActive,
  isAvailable,
  isTerminating,
  nextAvailability,
  podFromTemplate,
} from './pods-of.ts';
import { sameContent } from './same.ts';

/** The two kinds differ in how they write their selector, and in nothing else that matters here. */
export type Replicated = ReplicaSet | ReplicationController;

export const replicatedKinds = { ReplicaSet: replicaSets, ReplicationController: replicationControllers } as const;

/** More at once would only stand in line. */
const burst = 500;

export function selectorOfReplicas(owner: Replicated): LabelSelector {
  if (owner.kind === 'ReplicationController')
    return selectorOf({ matchLabels: (owner as ReplicationController).spec.selector ?? {} });
  return selectorOf((owner as ReplicaSet).spec.selector);
}

export interface ReplicaFacts {
  /** Why the last pod was refused. */
  readonly refusal: string | undefined;
  readonly mayAdopt: boolean;
}

/** Strays are worth asking the server whether the owner still lives. */
export function hasStrays(owner: Replicated, view: View): boolean {
  return (
    strays(owner, selectorOfReplicas(owner), view.list(pods, owner.metadata.namespace).filter(isActive)).length > 0
  );
}

export function planReplicas(
  owner: Replicated,
  view: View,
  nowMs: number,
  { refusal, mayAdopt }: ReplicaFacts,
): Outcome {
  const selector = selectorOfReplicas(owner);
  if (selector.length === 0) return nothing;
  const inNamespace = view.list(pods, owner.metadata.namespace);
  const terminating = inNamespace.filter((pod) => isTerminating(pod) && isOwnedBy(pod, owner.metadata.uid));
  const { owned, actions } = claim(pods, owner, selector, inNamespace.filter(isActive), mayAdopt);
  const minReadySeconds = owner.spec.minReadySeconds ?? 0;
  const status = statusOf(owner, owned, terminating.length, refusal, nowMs);
  return {
    actions: [...actions, ...planStatus(owner, status), ...planCount(owner, owned, view, nowMs)],
    ...nextAvailability(owned, minReadySeconds, nowMs),
  };
}

function planCount(owner: Replicated, owned: readonly Pod[], view: View, nowMs: number): Action[] {
  if (owner.metadata.deletionTimestamp) return [];
  const wanted = owner.spec.replicas ?? 1;
  const missing = wanted - owned.length;
  if (missing >= 0) {
    const because = `${wanted} pods are wanted, ${owned.length} are there`;
    return Array.from({ length: Math.min(missing, burst) }, () => podFromTemplate(owner.spec.template, owner, because));
  }
  const crowds = crowdsByNode(owner, view);
  const order = byLoss((pod) => crowds.get(pod.spec.nodeName ?? '') ?? 0, nowMs);
  const because = `${wanted} pods are wanted, ${owned.length} are there`;
  return [...owned]
    .sort(order)
    .slice(0, Math.min(-missing, burst))
    .map((pod) => deletePod(pod, owner, because));
}

/** How many active pods of the whole Deployment each node has: a crowded node gives first. */
function crowdsByNode(owner: Replicated, view: View): Map<string, number> {
  const parent = controllerOf(owner)?.uid;
  const related =
    owner.kind === 'ReplicaSet' && parent !== undefined
      ? view.list(replicaSets, owner.metadata.namespace).filter((one) => isOwnedBy(one, parent))
      : [owner];
  const uids = new Set(related.map(({ metadata }) => metadata.uid));
  const crowds = new Map<string, number>();
  for (const pod of view.list(pods, owner.metadata.namespace)) {
    if (!isActive(pod) || !uids.has(controllerOf(pod)?.uid ?? '')) continue;
    const node = pod.spec.nodeName ?? '';
    crowds.set(node, (crowds.get(node) ?? 0) + 1);
  }
  return crowds;
}

type Status = NonNullable<ReplicaSet['status']>;

function statusOf(
  owner: Replicated,
  owned: readonly Pod[],
  terminating: number,
  refusal: string | undefined,
  nowMs: number,
): Status {
  const labels = selectorOf({ matchLabels: owner.spec.template?.metadata?.labels ?? {} });
  const ready = owned.filter(isReady);
  const count = (name: string, value: number): object => (value > 0 ? { [name]: value } : {});
  const available = owned.filter((pod) => isAvailable(pod, owner.spec.minReadySeconds ?? 0, nowMs)).length;
  const full = owned.filter(({ metadata }) => matchesLabels(labels, metadata.labels)).length;
  const conditions = conditionsOf(owner, owned.length, refusal, nowMs);
  return {
    replicas: owned.length,
    ...count('fullyLabeledReplicas', full),
    ...count('readyReplicas', ready.length),
    ...count('availableReplicas', available),
    ...(owner.kind === 'ReplicaSet' ? { terminatingReplicas: terminating } : {}),
    ...(owner.metadata.generation === undefined ? {} : { observedGeneration: owner.metadata.generation }),
    ...(conditions.length > 0 ? { conditions } : {}),
  } as Status;
}

function conditionsOf(owner: Replicated, count: number, refusal: string | undefined, nowMs: number): Condition[] {
  const known = (owner.status?.conditions ?? []) as Condition[];
  if (refusal === undefined || count >= (owner.spec.replicas ?? 1)) return withoutCondition(known, 'ReplicaFailure');
  if (conditionOf(known, 'ReplicaFailure')) return known;
  const lastTransitionTime = timeText(nowMs);
  const failure = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: refusal } as const;
  return withCondition(known, { ...failure, lastTransitionTime });
}

function planStatus(owner: Replicated, status: Status): Action[] {
  if (sameContent(owner.status, status)) return [];
  const of: Resource<KubeObject> = replicatedKinds[owner.kind as keyof typeof replicatedKinds];
  const because = `it has ${status.replicas} pods, ${status.readyReplicas ?? 0} ready, ${status.availableReplicas ?? 0} available`;
  return [{ do: 'Update', of, object: { ...owner, status } as Replicated, subresource: 'status', because }];
}
