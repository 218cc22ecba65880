// Notices nodes that fell silent: conditions become Unknown, taints follow conditions, pods of a silent node are not ready.
import { nodes, pods } from '../../../kube/resources.ts';
import type { Node, NodeCondition, Pod, Taint } from '../../../kube/types.ts';
import type { Action, Outcome } from '../../model.ts';
import { isReady, nodeCondition, timeText } from './pod-conditions.ts';
import { sameTaint } from './taints.ts';

export interface LifecycleLimits {
  /** Silence after which a node's state is unknown. */
  readonly graceMs: number;
  /** The same for a node that never said how it is. */
  readonly startupGraceMs: number;
}

export const upstreamLimits: LifecycleLimits = { graceMs: 50_000, startupGraceMs: 60_000 };

const notReady = 'node.kubernetes.io/not-ready';
const unreachable = 'node.kubernetes.io/unreachable';
const watched = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];
/** Conditions that keep new pods away while they are True. */
const pressureTaints: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
};
const unschedulable = 'node.kubernetes.io/unschedulable';
const managed = new Set([notReady, unreachable, unschedulable, ...Object.values(pressureTaints)]);

/** `lastSeenMs`: when a renewed lease or a new status was last noticed, by our own clock: nodes' clocks may be wrong. */
export function planNode(
  node: Node,
  podsOnIt: readonly Pod[],
  nowMs: number,
  lastSeenMs: number,
  limits: LifecycleLimits,
): Outcome {
  const leftMs = lastSeenMs + (nodeCondition(node, 'Ready') ? limits.graceMs : limits.startupGraceMs) - nowMs;
  if (leftMs <= 0) {
    const unknown = unknownConditions(node, nowMs);
    // The taints follow when this change comes back: they are chosen from the node as the API shows it.
    if (unknown.length > 0) return { actions: declareUnknown(node, unknown) };
  }
  const silent = nodeCondition(node, 'Ready')?.status === 'Unknown';
  const actions = [...taintActions(node, nowMs), ...(silent ? podsOnIt.flatMap((pod) => unready(pod, nowMs)) : [])];
  return leftMs > 0 ? { actions, againInMs: leftMs } : { actions };
}

function unknownConditions(node: Node, nowMs: number): NodeCondition[] {
  const created = node.metadata.creationTimestamp ?? timeText(nowMs);
  return watched.flatMap((type) => {
    const known = nodeCondition(node, type);
    if (known?.status === 'Unknown') return [];
    const said = known
      ? { reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' }
      : { reason: 'NodeStatusNeverUpdated', message: 'Kubelet never posted node status.' };
    const lastHeartbeatTime = known?.lastHeartbeatTime ?? created;
    return [{ type, status: 'Unknown', ...said, lastHeartbeatTime, lastTransitionTime: timeText(nowMs) }];
  });
}

function declareUnknown(node: Node, conditions: readonly NodeCondition[]): Action[] {
  const { name } = node.metadata;
  const patch = { type: 'strategic', subresource: 'status', body: { status: { conditions } } } as const;
  const write: Action = { do: 'Patch', of: nodes, at: { name }, patch, because: 'the node fell silent' };
  if (nodeCondition(node, 'Ready')?.status !== 'True') return [write];
  const message = `Node ${name} status is now: NodeNotReady`;
  return [write, { do: 'Event', about: node, type: 'Normal', reason: 'NodeNotReady', message }];
}

/** The taints that a node's conditions call for, beside those that people gave it. */
export function wantedTaints(node: Node, nowMs: number): Taint[] {
  const known = node.spec?.taints ?? [];
  const ready = nodeCondition(node, 'Ready')?.status;
  const wanted: Taint[] = [];
  const want = (key: string, effect: Taint['effect']): void => {
    const kept = known.find((one) => sameTaint(one, { key, effect }));
    wanted.push(kept ?? (effect === 'NoExecute' ? { key, effect, timeAdded: timeText(nowMs) } : { key, effect }));
  };
  // A node that has not spoken yet keeps the taint that it was admitted with.
  const admittedWith = known.some((one) => sameTaint(one, { key: notReady, effect: 'NoSchedule' }));
  if (ready === 'False' || (ready === undefined && admittedWith)) want(notReady, 'NoSchedule');
  if (ready === 'Unknown') want(unreachable, 'NoSchedule');
  for (const [type, key] of Object.entries(pressureTaints)) {
    if (nodeCondition(node, type)?.status === 'True') want(key, 'NoSchedule');
  }
  if (node.spec?.unschedulable) want(unschedulable, 'NoSchedule');
  if (ready === 'False') want(notReady, 'NoExecute');
  if (ready === 'Unknown') want(unreachable, 'NoExecute');
  return [...known.filter((one) => !isManaged(one)), ...wanted];
}

function isManaged({ key, effect }: Taint): boolean {
  if (effect === 'NoExecute') return key === notReady || key === unreachable;
  return effect === 'NoSchedule' && managed.has(key);
}

function taintActions(node: Node, nowMs: number): Action[] {
  const known = node.spec?.taints ?? [];
  const taints = wantedTaints(node, nowMs);
  const same = taints.length === known.length && taints.every((one) => known.some((other) => sameTaint(one, other)));
  if (same) return [];
  const { name, resourceVersion } = node.metadata;
  // The list is replaced whole, so only over the one that was looked at.
  const patch = { type: 'merge', body: { metadata: { resourceVersion }, spec: { taints } } } as const;
  return [{ do: 'Patch', of: nodes, at: { name }, patch, because: 'its taints do not match its conditions' }];
}

/** Only where the kubelet is silent: a kubelet that speaks decides about its pods itself. */
function unready(pod: Pod, nowMs: number): Action[] {
  if (!isReady(pod)) return [];
  const { namespace, name, uid } = pod.metadata;
  const condition = { type: 'Ready', status: 'False', lastTransitionTime: timeText(nowMs) };
  const body = { metadata: { uid }, status: { conditions: [condition] } };
  const patch = { type: 'strategic', subresource: 'status', body } as const;
  return [
    { do: 'Patch', of: pods, at: { namespace, name }, patch, because: 'its node fell silent' },
    { do: 'Event', about: pod, type: 'Warning', reason: 'NodeNotReady', message: 'Node is not ready' },
  ];
}
