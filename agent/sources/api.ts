// Pods that the API server has assigned to this node.
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { ApiError, isForbidden, isNotFound } from '../../kube/errors.ts';
import { createInformer, type Informer } from '../../kube/informer.ts';
import { nodes, pods } from '../../kube/resources.ts';
import type { Pod } from '../../kube/types.ts';
import type { DesiredPod } from '../model.ts';
import { isMirror } from './rules/mirrors.ts';

/** Whoever takes what a source says. */
export interface PodSink {
  put(desired: DesiredPod): void;
  remove(uid: string): void;
  ready(source: DesiredPod['source']): void;
}

export interface ApiSource {
  readonly informer: Informer<Pod>;
  /** Tells `sink` of every pod and change until `signal` ends. Resolves then; never rejects. */
  run(sink: PodSink, signal: AbortSignal): Promise<void>;
}

export function createApiSource(client: ApiClient, nodeName: string, log: Log): ApiSource {
  const informer = createInformer(client, pods, {
    select: { fieldSelector: `spec.nodeName=${nodeName}` },
    onError: (err) => log.warn({ err }, 'Pod watch failed'),
    trim: (object) => {
      delete (object as Pod).metadata.managedFields;
    },
    confirmEmpty: (known, signal) => confirmLoss(client, nodeName, known as readonly Pod[], signal),
  });
  return {
    informer,
    run: async (sink, signal) => {
      informer.subscribe(({ kind, object }) => {
        if (isMirror(object)) return;
        if (kind === 'deleted') sink.remove(object.metadata.uid);
        else sink.put({ uid: object.metadata.uid, pod: object, source: 'api' });
      });
      void informer.synced.then(() => sink.ready('api'));
      await informer.run(signal);
    },
  };
}

/** A server that has lost its store, or lost its way, must not end every pod: it has to know this node, and not the pod. */
async function confirmLoss(client: ApiClient, nodeName: string, known: readonly Pod[], signal: AbortSignal) {
  const [pod] = known;
  if (!pod) return;
  const { namespace, name, uid } = pod.metadata;
  const found = await client.get(pods, { namespace, name }, signal).catch((error: unknown) => {
    // To a node a pod that is not there is one that it may not see.
    if (isNotFound(error) || isForbidden(error)) return undefined;
    throw error;
  });
  const what = `The API server lists none of ${known.length} pods`;
  if (found?.metadata.uid === uid && found.spec.nodeName === nodeName) {
    throw new ApiError(`${what}, but has pod "${namespace}/${name}"`, { reason: 'Malformed' });
  }
  await client.get(nodes, { name: nodeName }, signal).catch((cause: unknown) => {
    throw new ApiError(`${what}, and does not know this node`, { reason: 'Malformed', cause });
  });
}
