// Deletes the pods that do not bear their node's NoExecute taints, when their toleration has run out.
import { pods } from '../../../kube/resources.ts';
import type { Node, Pod, Taint } from '../../../kube/types.ts';
import { nothing, type Outcome } from '../../model.ts';
import { disruptionPatch } from './pod-conditions.ts';
import { staySeconds } from './taints.ts';

/** Since when a pod has borne its taints; undefined when there are none. */
export type BearingSinceMs = number | undefined;

export const noExecute = (node: Node | undefined): Taint[] =>
  (node?.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');

export function planTaintEviction(pod: Pod, node: Node | undefined, sinceMs: BearingSinceMs, nowMs: number): Outcome {
  if (pod.metadata.deletionTimestamp || sinceMs === undefined) return nothing;
  const stays = staySeconds(pod, noExecute(node));
  if (stays === 'for ever') return nothing;
  const leftMs = sinceMs + stays * 1000 - nowMs;
  if (leftMs > 0) return { actions: [], againInMs: leftMs };
  const { namespace, name, uid } = pod.metadata;
  const message = 'Taint manager: deleting due to NoExecute taint';
  return {
    actions: [
      {
        do: 'Event',
        about: pod,
        type: 'Normal',
        reason: 'TaintManagerEviction',
        message: `Marking for deletion Pod ${namespace}/${name}`,
      },
      disruptionPatch(pod, 'DeletionByTaintManager', message, nowMs),
      {
        do: 'Delete',
        of: pods,
        at: { namespace, name },
        options: { preconditions: { uid } },
        because: 'it does not tolerate a NoExecute taint of its node',
      },
    ],
  };
}
