// The loops of ReplicaSets and ReplicationControllers.
import { keyOf } from '../../kube/informer.ts';
import { pods, type Resource } from '../../kube/resources.ts';
import { matchesLabels } from '../../kube/selectors.ts';
import type { Pod } from '../../kube/types.ts';
import { type Controller, nothing, type View, watch } from '../model.ts';
import { isAlive } from './adoption.ts';
import { controllerOf, ownerKeys } from './rules/ownership.ts';
import {
  hasStrays,
  planReplicas,
  type ReplicaFacts,
  type Replicated,
  replicatedKinds,
  selectorOfReplicas,
} from './rules/replicas.ts';

export function replicasController(kind: keyof typeof replicatedKinds): Controller<ReplicaFacts> {
  const of: Resource<Replicated> = replicatedKinds[kind];
  const keys = (pod: Pod, view: View): readonly string[] => {
    if (controllerOf(pod)) return ownerKeys(pod, kind);
    const all = view.list(of, pod.metadata.namespace);
    return all.filter((one) => matchesLabels(selectorOfReplicas(one), pod.metadata.labels)).map(keyOf);
  };
  return {
    name: kind.toLowerCase(),
    component: kind === 'ReplicaSet' ? 'replicaset-controller' : 'replication-controller',
    watches: [watch(of, (one) => [keyOf(one)]), watch(pods, keys)],
    look: async (key, view, parts) => {
      const owner = view.get(of, key);
      const mayAdopt = owner !== undefined && hasStrays(owner, view) && (await isAlive(of, owner, parts));
      return { refusal: parts.refusal, mayAdopt };
    },
    reconcile: (key, view, nowMs, facts) => {
      const owner = view.get(of, key);
      return owner ? planReplicas(owner, view, nowMs, facts) : nothing;
    },
  };
}
