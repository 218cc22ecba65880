// Removes pods that nobody will ever finish: those of vanished nodes, and those that end before they had a node.
import { pods } from '../../../kube/resources.ts';
import type { Pod } from '../../../kube/types.ts';
import { type Action, nothing, type Outcome } from '../../model.ts';
import { disruptionPatch, isFinished } from './pod-conditions.ts';

/** A node may come back under its name; its pods wait for it so long. */
export const quarantineMs = 40_000;

export interface Orphanage {
  /** When the pod's node was first missed; undefined while it is there. */
  readonly missingSinceMs: number | undefined;
  /** The server itself says that there is no such node: a copy may be late. */
  readonly confirmed: boolean;
}

export function planPodCollection(pod: Pod, { missingSinceMs, confirmed }: Orphanage, nowMs: number): Outcome {
  if (pod.metadata.deletionTimestamp && !pod.spec.nodeName) {
    return { actions: [remove(pod, 'it was deleted before it had a node')] };
  }
  if (missingSinceMs === undefined) return nothing;
  if (!confirmed) return { actions: [], againInMs: Math.max(missingSinceMs + quarantineMs - nowMs, 1000) };
  const say = disruptionPatch(pod, 'DeletionByPodGC', 'PodGC: node no longer exists', nowMs, { phase: 'Failed' });
  return { actions: [...(isFinished(pod) ? [] : [say]), remove(pod, 'its node no longer exists')] };
}

function remove({ metadata }: Pod, because: string): Action {
  const { namespace, name, uid } = metadata;
  const options = { gracePeriodSeconds: 0, preconditions: { uid } };
  return { do: 'Delete', of: pods, at: { namespace, name }, options, because };
}
