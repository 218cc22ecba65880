// Pods that the API server has assigned to this node.
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { createInformer, type Informer } from '../../kube/informer.ts';
import { pods } from '../../kube/resources.ts';
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
