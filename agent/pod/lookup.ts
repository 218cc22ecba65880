// What the kubelet's server is told of pods.
import type { Pod, PodStatus } from '../../kube/types.ts';
import type { ObservedPod } from '../model.ts';
import { type Pods, withStatus } from './pods.ts';

export interface PodLookup {
  list(): readonly Pod[];
  find(namespace: string, name: string, uid?: string): Pod | undefined;
  observe(uid: string, signal?: AbortSignal): Promise<ObservedPod>;
  observeAll(signal?: AbortSignal): Promise<readonly ObservedPod[]>;
}

export function createPodLookup(pods: Pods, status: { published(uid: string): PodStatus | undefined }): PodLookup {
  const list = (): readonly Pod[] => pods.list().map((desired) => withStatus(desired, status.published(desired.uid)));
  return {
    list,
    find: (namespace, name, uid) =>
      list().find(
        ({ metadata }) =>
          metadata.namespace === namespace && metadata.name === name && (uid === undefined || metadata.uid === uid),
      ),
    observe: pods.observe,
    observeAll: pods.observeAll,
  };
}
