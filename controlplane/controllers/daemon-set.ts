// The loop of DaemonSets.
import { keyOf } from '../../kube/informer.ts';
import { controllerRevisions, daemonSets, nodes, pods } from '../../kube/resources.ts';
import { matchesLabels, selectorOf } from '../../kube/selectors.ts';
import type { DaemonSet, Node, Pod } from '../../kube/types.ts';
import { type Controller, nothing, type View, watch } from '../model.ts';
import { matchesRequired } from '../scheduler/rules/node-affinity.ts';
import { isAlive } from './adoption.ts';
import { planDaemonSet } from './rules/daemon-set/plan.ts';
import { controllerOf, ownerKeys, strays } from './rules/ownership.ts';

export const daemonSetController: Controller<boolean> = {
  name: 'daemonset',
  component: 'daemonset-controller',
  watches: [
    watch(daemonSets, (one) => [keyOf(one)]),
    watch(pods, keysOfPod),
    watch(controllerRevisions, (one) => ownerKeys(one, 'DaemonSet')),
    watch(nodes, (_, view) => view.list(daemonSets).map(keyOf), changesPlaces),
  ],
  look: async (key, view, parts) => {
    const set = view.get(daemonSets, key);
    if (!set) return false;
    const found = strays(set, selectorOf(set.spec.selector), view.list(pods, set.metadata.namespace));
    return found.length > 0 && isAlive(daemonSets, set, parts);
  },
  reconcile: (key, view, nowMs, mayAdopt) => {
    const set = view.get(daemonSets, key);
    if (!set) return nothing;
    const { namespace } = set.metadata;
    const revisions = view.list(controllerRevisions, namespace);
    const sight = { set, nodes: view.list(nodes), pods: view.list(pods, namespace), revisions, mayAdopt };
    return planDaemonSet({ ...sight, fits: (node) => fits(set, node) }, nowMs);
  },
};

function fits(set: DaemonSet, node: Node): boolean {
  const { name, labels = {} } = node.metadata;
  return matchesRequired({ spec: set.spec.template.spec ?? {} } as Pod, { name, labels });
}

/** Heartbeats do not change where pods belong. */
function changesPlaces(before: Node, after: Node): boolean {
  const facts = ({ metadata, spec }: Node): string => JSON.stringify([metadata.labels, spec?.taints]);
  return facts(before) !== facts(after);
}

function keysOfPod(pod: Pod, view: View): readonly string[] {
  if (controllerOf(pod)) return ownerKeys(pod, 'DaemonSet');
  return view
    .list(daemonSets, pod.metadata.namespace)
    .filter(({ spec }) => matchesLabels(selectorOf(spec.selector), pod.metadata.labels))
    .map(keyOf);
}
