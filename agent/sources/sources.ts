// Where this node's pods come from, all sources together: the API, manifests on disk, a web server; and the mirrors of what is not the API's.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import type { Node, Pod } from '../../kube/types.ts';
import type { DesiredPod, EventSink, Termination } from '../model.ts';
import { createApiSource, type PodSink } from './api.ts';
import { createMirrors, type Mirrors } from './mirrors.ts';
import type { PodObjectsRoom } from './objects.ts';
import { isMirror } from './rules/mirrors.ts';
import { followManifests } from './static-files.ts';
import { createStaticPods, type StaticPods, type StaticSource } from './static-pods.ts';
import { followUrl } from './static-url.ts';

export interface StaticPodOptions {
  /** staticPodPath: a file or a directory; empty: none. */
  readonly path: string;
  readonly fileCheckMs: number;
  /** staticPodURL; empty: none. */
  readonly url: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly httpCheckMs: number;
}

export interface PodSourcesParts {
  readonly client: ApiClient;
  readonly nodeName: string;
  readonly node: () => Node | undefined;
  readonly objects: PodObjectsRoom;
  readonly events: EventSink;
  readonly statics: StaticPodOptions;
  readonly clock: Clock;
  readonly log: Log;
}

/** The loop that runs the pods. */
export interface PodLoop extends PodSink {
  list(): readonly DesiredPod[];
  wake(uid: string): void;
  terminate(uid: string, termination: Termination): void;
}

export interface PodSources {
  readonly names: readonly DesiredPod['source'][];
  /** The agent's own copy of a pod in the API. */
  apiPod(namespace: string, name: string): Pod | undefined;
  /** Nothing of the pod runs or is mounted any more. */
  terminated(uid: string): void;
  /** Nothing is left of the pod at all. */
  forgotten(uid: string): void;
  /** Tells `loop` of every pod and change until `signal` ends. Resolves then; never rejects. */
  run(loop: PodLoop, signal: AbortSignal): Promise<void>;
}

export function createPodSources(parts: PodSourcesParts): PodSources {
  const { client, nodeName, node, objects, events, clock, log } = parts;
  const { path, url } = parts.statics;
  const names: readonly StaticSource[] = [...(path ? ['file' as const] : []), ...(url ? ['http' as const] : [])];
  const unheard = new Set<StaticSource>(names);
  const api = createApiSource(client, nodeName, log);
  let statics: StaticPods | undefined;
  let mirrors: Mirrors | undefined;

  function followStatics(loop: PodLoop, signal: AbortSignal): Promise<unknown>[] {
    const pods = createStaticPods(loop, events, log);
    statics = pods;
    const common = { nodeName, clock, log };
    const shown = createMirrors({
      ...{ client, informer: api.informer, node, statics: pods.list, clock, log },
      areAllKnown: () => unheard.size === 0,
    });
    mirrors = shown;
    const onSnapshot = (source: StaticSource) => (found: readonly Pod[]) => {
      unheard.delete(source);
      pods.snapshot(source, found);
      shown.poke();
    };
    const { fileCheckMs, headers, httpCheckMs } = parts.statics;
    return [
      ...(path
        ? [followManifests({ path, everyMs: fileCheckMs, onSnapshot: onSnapshot('file'), ...common }, signal)]
        : []),
      ...(url
        ? [followUrl({ url, headers, everyMs: httpCheckMs, onSnapshot: onSnapshot('http'), ...common }, signal)]
        : []),
      shown.keep(signal),
    ];
  }

  /** What a pod uses has changed, or what shows it: it is looked at again. */
  function wakeOnChanges(loop: PodLoop): () => void {
    const stops = [
      objects.onChange((_kind, namespace) => {
        for (const { uid, pod } of loop.list()) if (pod.metadata.namespace === namespace) loop.wake(uid);
      }),
      api.informer.subscribe(({ kind, object }) => {
        const { namespace, name } = object.metadata;
        if (kind !== 'added' || !isMirror(object)) return;
        const shown = statics
          ?.list()
          .find(({ metadata }) => metadata.name === name && metadata.namespace === namespace);
        if (shown) loop.wake(shown.metadata.uid);
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  return {
    names: ['api', ...names],
    apiPod: (namespace, name) => api.informer.get(`${namespace}/${name}`),
    terminated: (uid) => statics?.terminated(uid),
    forgotten: (uid) => {
      statics?.forgotten(uid);
      mirrors?.poke();
    },
    run: async (loop, signal) => {
      const retained = retaining(loop, objects);
      const stopListening = wakeOnChanges(retained);
      await Promise.all([
        ...followStatics(retained, signal),
        objects.run(signal),
        objects.servicesKnown(signal).then(() => api.run(retained, signal)),
      ]);
      stopListening();
    },
  };
}

/** After each word of a source, the objects that nobody uses any more are let go. */
function retaining(loop: PodLoop, objects: PodObjectsRoom): PodLoop {
  const retain = (): void => objects.retain(loop.list().map(({ pod }) => pod));
  const then =
    <Args extends readonly unknown[]>(tell: (...args: Args) => void) =>
    (...args: Args): void => {
      tell(...args);
      retain();
    };
  return { ...loop, put: then(loop.put), remove: then(loop.remove), ready: then(loop.ready) };
}
