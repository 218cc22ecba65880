// Reads and writes the conditions of pods and nodes.
import { pods } from '../../../kube/resources.ts';
import type { Node, NodeCondition, Pod, PodCondition } from '../../../kube/types.ts';
import type { Action } from '../../model.ts';

export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((one) => one.type === type);
}

export function nodeCondition(node: Node, type: string): NodeCondition | undefined {
  return node.status?.conditions?.find((one) => one.type === type);
}

export const isReady = (pod: Pod): boolean => podCondition(pod, 'Ready')?.status === 'True';

export const isFinished = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

/** The API's time: whole seconds. */
export const timeText = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** Says why a pod is taken away from outside (condition DisruptionTarget), and with what phase it ends. */
export function disruptionPatch(
  { metadata }: Pod,
  reason: string,
  message: string,
  nowMs: number,
  status: { phase?: string } = {},
): Action {
  const { namespace, name, uid } = metadata;
  const lastTransitionTime = timeText(nowMs);
  const condition = { type: 'DisruptionTarget', status: 'True', reason, message, lastTransitionTime };
  const body = { metadata: { uid }, status: { ...status, conditions: [condition] } };
  const patch = { type: 'strategic', subresource: 'status', body } as const;
  return { do: 'Patch', of: pods, at: { namespace, name }, patch, because: message };
}
