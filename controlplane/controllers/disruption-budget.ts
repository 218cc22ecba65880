// The loop of PodDisruptionBudgets.
import { keyOf } from '../../kube/informer.ts';
import {
  deployments,
  podDisruptionBudgets,
  pods,
  replicaSets,
  replicationControllers,
  statefulSets,
} from '../../kube/resources.ts';
import type { KubeObject, Pod } from '../../kube/types.ts';
import { type Controller, looksNoFurther, nothing, type View, type Watch, watch } from '../model.ts';
import { planBudget, selectsPod } from './rules/disruption-budget.ts';

interface Scaled extends KubeObject {
  readonly spec?: { readonly replicas?: number };
}

const ofPod = (pod: Pod, view: View): readonly string[] =>
  view
    .list(podDisruptionBudgets, pod.metadata.namespace)
    .filter((budget) => selectsPod(budget, pod))
    .map(keyOf);

/** Another number of replicas is another number of pods to expect. */
const ofScale = ({ metadata }: KubeObject, view: View): readonly string[] =>
  view.list(podDisruptionBudgets, metadata.namespace).map(keyOf);

const scales = (before: KubeObject, after: KubeObject): boolean =>
  (before as Scaled).spec?.replicas !== (after as Scaled).spec?.replicas;

export const disruptionBudgetController: Controller = {
  name: 'disruption',
  component: 'controllermanager',
  watches: [
    watch(podDisruptionBudgets, (one) => [keyOf(one)]),
    watch(pods, ofPod),
    ...[deployments, replicaSets, replicationControllers, statefulSets].map(
      (of): Watch => ({ of, keys: ofScale, matters: scales }),
    ),
  ],
  look: looksNoFurther,
  reconcile: (key, view, nowMs) => {
    const budget = view.get(podDisruptionBudgets, key);
    return budget ? planBudget(budget, view, nowMs) : nothing;
  },
};
