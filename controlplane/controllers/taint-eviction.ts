// Deletes pods that do not bear their node's taints; remembers since when each has borne them, by our own clock.
import { keyOf } from '../../kube/informer.ts';
import { nodes, pods } from '../../kube/resources.ts';
import { type Controller, nothing, watch } from '../model.ts';
import { type BearingSinceMs, noExecute, planTaintEviction } from './rules/taint-eviction.ts';

export function taintEvictionController(): Controller<BearingSinceMs> {
  const since = new Map<string, { uid: string; ms: number }>();
  return {
    name: 'taint-eviction',
    watches: [
      watch(
        pods,
        (pod) => [keyOf(pod)],
        (before, after) =>
          before.spec.nodeName !== after.spec.nodeName ||
          JSON.stringify(before.spec.tolerations) !== JSON.stringify(after.spec.tolerations),
      ),
      watch(
        nodes,
        (node, view) => view.podsOn(node.metadata.name).map(keyOf),
        (before, after) => JSON.stringify(noExecute(before)) !== JSON.stringify(noExecute(after)),
      ),
    ],
    look: (key, view, { nowMs }) => {
      const pod = view.get(pods, key);
      if (!pod?.spec.nodeName || noExecute(view.get(nodes, pod.spec.nodeName)).length === 0) {
        since.delete(key);
        return undefined;
      }
      const known = since.get(key);
      const ms = known?.uid === pod.metadata.uid ? known.ms : nowMs;
      since.set(key, { uid: pod.metadata.uid, ms });
      return ms;
    },
    reconcile: (key, view, nowMs, sinceMs) => {
      const pod = view.get(pods, key);
      return pod?.spec.nodeName ? planTaintEviction(pod, view.get(nodes, pod.spec.nodeName), sinceMs, nowMs) : nothing;
    },
  };
}
