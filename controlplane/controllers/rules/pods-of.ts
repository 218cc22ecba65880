// Pods of workloads: which count, which are available, which go first, and how they are made from a template.
import { pods } from '../../../kube/resources.ts';
import type { Pod, PodTemplate } from '../../../kube/types.ts';
import type { Action } from '../../model.ts';
import { type Owner, ownerReference } from './ownership.ts';
import { isFinished, isReady, podCondition } from './pod-conditions.ts';

export const isActive = (pod: Pod): boolean => !isFinished(pod) && !pod.metadata.deletionTimestamp;

export const isTerminating = (pod: Pod): boolean => !isFinished(pod) && Boolean(pod.metadata.deletionTimestamp);

/** How long until a ready pod counts as available: 0 now, undefined while it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  if (!isReady(pod)) return undefined;
  if (minReadySeconds === 0) return 0;
  const since = podCondition(pod, 'Ready')?.lastTransitionTime;
  return since === undefined ? undefined : Math.max(0, Date.parse(since) + minReadySeconds * 1000 - nowMs);
}

export const isAvailable = (pod: Pod, minReadySeconds: number, nowMs: number): boolean =>
  availableInMs(pod, minReadySeconds, nowMs) === 0;

/** When the next pod becomes available by time alone. */
export function nextAvailability(all: readonly Pod[], minReadySeconds: number, nowMs: number): { againInMs?: number } {
  const waits = all.map((pod) => availableInMs(pod, minReadySeconds, nowMs)).filter((ms) => ms !== undefined && ms > 0);
  return waits.length > 0 ? { againInMs: Math.min(...(waits as number[])) } : {};
}

export function podFromTemplate(template: PodTemplate | undefined, owner: Owner, because: string): Action {
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  const metadata = {
    namespace: owner.metadata.namespace,
    generateName: `${owner.metadata.name}-`,
    ...(labels ? { labels } : {}),
    ...(annotations ? { annotations } : {}),
    ...(finalizers ? { finalizers } : {}),
    ownerReferences: [ownerReference(owner)],
  };
  const object = { apiVersion: 'v1', kind: 'Pod', metadata, spec: template?.spec };
  return { do: 'Create', of: pods, object, tell: owner, because };
}

export function deletePod({ metadata: { namespace, name, uid } }: Pod, owner: Owner, because: string): Action {
  return {
    do: 'Delete',
    of: pods,
    at: { namespace, name },
    options: { preconditions: { uid } },
    tell: owner,
    because,
  };
}

const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };
const costAnnotation = 'controller.kubernetes.io/pod-deletion-cost';

function costOf({ metadata }: Pod): number {
  const text = metadata.annotations?.[costAnnotation];
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : 0;
}

const restartsOf = ({ status }: Pod): number =>
  Math.max(0, ...(status?.containerStatuses ?? []).map(({ restartCount }) => restartCount));

const readySince = (pod: Pod): string => podCondition(pod, 'Ready')?.lastTransitionTime ?? '';

/** Younger first, but ages of one order of magnitude are alike. */
function byAge(a: string, b: string, nowMs: number): number {
  const order = (text: string): number => {
    const seconds = Math.floor((nowMs - Date.parse(text)) / 1000);
    return text === '' || seconds <= 0 ? -1 : Math.floor(Math.log10(seconds));
  };
  return order(a) - order(b);
}

/** Those that are missed least first. `crowd`: how many of the same purpose run on the pod's node. */
export function byLoss(crowd: (pod: Pod) => number, nowMs: number): (a: Pod, b: Pod) => number {
  const criteria: ((a: Pod, b: Pod) => number)[] = [
    (a, b) => Number(Boolean(a.spec.nodeName)) - Number(Boolean(b.spec.nodeName)),
    (a, b) => (phaseRank[a.status?.phase ?? ''] ?? 0) - (phaseRank[b.status?.phase ?? ''] ?? 0),
    (a, b) => Number(isReady(a)) - Number(isReady(b)),
    (a, b) => costOf(a) - costOf(b),
    (a, b) => crowd(b) - crowd(a),
    (a, b) => (isReady(a) && isReady(b) ? byAge(readySince(a), readySince(b), nowMs) : 0),
    (a, b) => restartsOf(b) - restartsOf(a),
    (a, b) => byAge(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '', nowMs),
    (a, b) => (a.metadata.uid < b.metadata.uid ? -1 : 1),
  ];
  return (a, b) => {
    for (const compare of criteria) {
      const order = compare(a, b);
      if (order !== 0) return order;
    }
    return 0;
  };
}
