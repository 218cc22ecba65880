// The loop of Deployments.
import { keyOf } from '../../kube/informer.ts';
import { deployments, pods, replicaSets } from '../../kube/resources.ts';
import { matchesLabels, selectorOf } from '../../kube/selectors.ts';
import type { Pod, ReplicaSet } from '../../kube/types.ts';
import { type Controller, nothing, type View, watch } from '../model.ts';
import { isAlive } from './adoption.ts';
import { planDeployment } from './rules/deployment/plan.ts';
import { controllerOf, isOwnedBy, ownerKeys, strays } from './rules/ownership.ts';

export const deploymentController: Controller<boolean> = {
  name: 'deployment',
  component: 'deployment-controller',
  watches: [
    watch(deployments, (one) => [keyOf(one)]),
    watch(replicaSets, keysOfSet),
    // One that recreates waits for the last old pod to end.
    watch(pods, keysOfPod, (before, after) => before.status?.phase !== after.status?.phase),
  ],
  look: async (key, view, parts) => {
    const deployment = view.get(deployments, key);
    if (!deployment) return false;
    const sets = view.list(replicaSets, deployment.metadata.namespace);
    const found = strays(deployment, selectorOf(deployment.spec.selector), sets);
    return found.length > 0 && isAlive(deployments, deployment, parts);
  },
  reconcile: (key, view, nowMs, mayAdopt) => {
    const deployment = view.get(deployments, key);
    if (!deployment) return nothing;
    const { namespace } = deployment.metadata;
    const podsOf = (uid: string): Pod[] => view.list(pods, namespace).filter((pod) => isOwnedBy(pod, uid));
    return planDeployment({ deployment, sets: view.list(replicaSets, namespace), podsOf, mayAdopt }, nowMs);
  },
};

function keysOfSet(set: ReplicaSet, view: View): readonly string[] {
  if (controllerOf(set)) return ownerKeys(set, 'Deployment');
  return view
    .list(deployments, set.metadata.namespace)
    .filter(({ spec }) => matchesLabels(selectorOf(spec.selector), set.metadata.labels))
    .map(keyOf);
}

function keysOfPod(pod: Pod, view: View): readonly string[] {
  return ownerKeys(pod, 'ReplicaSet').flatMap((key) => {
    const set = view.get(replicaSets, key);
    const [owner] = set ? ownerKeys(set, 'Deployment') : [];
    const recreates = owner !== undefined && view.get(deployments, owner)?.spec.strategy?.type === 'Recreate';
    return recreates ? [owner] : [];
  });
}
