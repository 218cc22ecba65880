// Where this node's pods come from, all sources together: what each says reaches the loop, and the objects that pods use are known first.
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import type { Pod } from '../../kube/types.ts';
import type { DesiredPod } from '../model.ts';
import { createApiSource, type PodSink } from './api.ts';
import type { PodObjectsRoom } from './objects.ts';

export interface PodSourcesParts {
  readonly client: ApiClient;
  readonly nodeName: string;
  readonly objects: PodObjectsRoom;
  readonly log: Log;
}

/** The loop that runs the pods. */
export interface PodLoop extends PodSink {
  list(): readonly DesiredPod[];
  wake(uid: string): void;
}

export interface PodSources {
  readonly names: readonly DesiredPod['source'][];
  /** The agent's own copy of a pod in the API. */
  apiPod(namespace: string, name: string): Pod | undefined;
  /** Tells `loop` of every pod and change until `signal` ends. Resolves then; never rejects. */
  run(loop: PodLoop, signal: AbortSignal): Promise<void>;
}

export function createPodSources({ client, nodeName, objects, log }: PodSourcesParts): PodSources {
  const api = createApiSource(client, nodeName, log);
  return {
    names: ['api'],
    apiPod: (namespace, name) => api.informer.get(`${namespace}/${name}`),
    run: async (loop, signal) => {
      const sink = retaining(loop, objects);
      const stopListening = objects.onChange((_kind, namespace) => {
        for (const { uid, pod } of loop.list()) if (pod.metadata.namespace === namespace) loop.wake(uid);
      });
      await Promise.all([objects.run(signal), objects.servicesKnown(signal).then(() => api.run(sink, signal))]);
      stopListening();
    },
  };
}

/** After each word of a source, the objects that nobody uses any more are let go. */
function retaining(loop: PodLoop, objects: PodObjectsRoom): PodSink {
  const retain = (): void => objects.retain(loop.list().map(({ pod }) => pod));
  const then =
    <Args extends readonly unknown[]>(tell: (...args: Args) => void) =>
    (...args: Args): void => {
      tell(...args);
      retain();
    };
  return { put: then(loop.put), remove: then(loop.remove), ready: then(loop.ready) };
}
