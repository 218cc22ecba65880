// What the server asks the agent about pods. The loop that knows them hands this in.
import type { Pod } from '../../kube/types.ts';
import type { ObservedPod } from '../model.ts';

export interface PodLookup {
  /** Every pod that this node runs or has run and not forgotten, each with the status that the agent last derived. */
  list(): readonly Pod[];
  /** One of them. A static pod is found by its own UID and by its mirror's. Without `uid`: by name alone. */
  find(namespace: string, name: string, uid?: string): Pod | undefined;
  /** What the engine has of a pod now. `uid` is that of the pod `find` returned. */
  observe(uid: string, signal?: AbortSignal): Promise<ObservedPod>;
  /** What the engine has of every pod, wanted or not. */
  observeAll(signal?: AbortSignal): Promise<readonly ObservedPod[]>;
}
