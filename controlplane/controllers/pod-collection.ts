// Removes pods that nobody will ever finish; remembers since when a node is missed.
import { isNotFound } from '../../kube/errors.ts';
import { keyOf } from '../../kube/informer.ts';
import { nodes, pods } from '../../kube/resources.ts';
import { type Controller, nothing, watch } from '../model.ts';
import { type Orphanage, planPodCollection, quarantineMs } from './rules/pod-collection.ts';

export function podCollectionController(): Controller<Orphanage> {
  const missingSince = new Map<string, number>();
  return {
    name: 'pod-collection',
    watches: [
      watch(pods, (pod) => [keyOf(pod)]),
      watch(
        nodes,
        ({ metadata }, view) => view.podsOn(metadata.name).map(keyOf),
        () => false,
      ),
    ],
    look: async (key, view, { client, nowMs, signal }) => {
      const name = view.get(pods, key)?.spec.nodeName;
      if (!name || view.get(nodes, name)) {
        if (name) missingSince.delete(name);
        return { missingSinceMs: undefined, confirmed: false };
      }
      const missingSinceMs = missingSince.get(name) ?? nowMs;
      missingSince.set(name, missingSinceMs);
      if (nowMs < missingSinceMs + quarantineMs) return { missingSinceMs, confirmed: false };
      const confirmed = await client.get(nodes, { name }, signal).then(
        () => false,
        (error: unknown) => {
          if (isNotFound(error)) return true;
          throw error;
        },
      );
      return { missingSinceMs, confirmed };
    },
    reconcile: (key, view, nowMs, orphanage) => {
      const pod = view.get(pods, key);
      return pod ? planPodCollection(pod, orphanage, nowMs) : nothing;
    },
  };
}
