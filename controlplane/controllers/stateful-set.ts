// The loop of StatefulSets.
import { keyOf } from '../../kube/informer.ts';
import { controllerRevisions, persistentVolumeClaims, pods, statefulSets } from '../../kube/resources.ts';
import { matchesLabels, selectorOf } from '../../kube/selectors.ts';
import type { Pod } from '../../kube/types.ts';
import { type Controller, nothing, type View, watch } from '../model.ts';
import { isAlive } from './adoption.ts';
import { controllerOf, ownerKeys, strays } from './rules/ownership.ts';
import { planStatefulSet } from './rules/stateful-set/plan.ts';
import { ordinalOf } from './rules/stateful-set/pods.ts';

export const statefulSetController: Controller<boolean> = {
  name: 'statefulset',
  component: 'statefulset-controller',
  watches: [
    watch(statefulSets, (one) => [keyOf(one)]),
    watch(pods, keysOfPod),
    watch(controllerRevisions, (one) => ownerKeys(one, 'StatefulSet')),
  ],
  look: async (key, view, parts) => {
    const set = view.get(statefulSets, key);
    if (!set) return false;
    const named = view.list(pods, set.metadata.namespace).filter((pod) => ordinalOf(set, pod) !== undefined);
    const found = strays(set, selectorOf(set.spec.selector), named);
    return found.length > 0 && isAlive(statefulSets, set, parts);
  },
  reconcile: (key, view, nowMs, mayAdopt) => {
    const set = view.get(statefulSets, key);
    if (!set) return nothing;
    const { namespace } = set.metadata;
    const sight = {
      set,
      pods: view.list(pods, namespace),
      revisions: view.list(controllerRevisions, namespace),
      claim: (name: string) => view.get(persistentVolumeClaims, `${namespace}/${name}`),
      mayAdopt,
    };
    return planStatefulSet(sight, nowMs);
  },
};

function keysOfPod(pod: Pod, view: View): readonly string[] {
  if (controllerOf(pod)) return ownerKeys(pod, 'StatefulSet');
  return view
    .list(statefulSets, pod.metadata.namespace)
    .filter((set) => ordinalOf(set, pod) !== undefined)
    .filter(({ spec }) => matchesLabels(selectorOf(spec.selector), pod.metadata.labels))
    .map(keyOf);
}
