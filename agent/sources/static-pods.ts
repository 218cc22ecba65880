// The static pods of this node: what its manifests say, one pod per name at a time, ended before its successor starts.
import type { Log } from '../../host/log.ts';
import type { Pod } from '../../kube/types.ts';
import type { DesiredPod, EventSink } from '../model.ts';
import type { PodLoop } from './sources.ts';

export type StaticSource = 'file' | 'http';

export interface StaticPods {
  /** All pods that a source has now; the first time, the source is ready. */
  snapshot(source: StaticSource, pods: readonly Pod[]): void;
  /** Nothing of the pod runs or is mounted any more. */
  terminated(uid: string): void;
  /** Nothing is left of the pod at all. */
  forgotten(uid: string): void;
  /** Those that run or end now. */
  list(): readonly Pod[];
}

interface Running {
  readonly source: StaticSource;
  readonly pod: Pod;
  /** Ending: it stops. Removed: nothing of it runs, and the loop forgets it. */
  stage: 'wanted' | 'ending' | 'removed';
}

const keyOf = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`;

/** When it was seen says nothing about what is wanted. */
const wishOf = ({ metadata, spec }: Pod): string =>
  JSON.stringify([{ ...metadata.annotations, 'kubernetes.io/config.seen': '' }, metadata.labels, spec]);

export function createStaticPods(loop: PodLoop, events: EventSink, log: Log): StaticPods {
  const running = new Map<string, Running>();
  const wanted = new Map<StaticSource, ReadonlyMap<string, Pod>>();

  const wishFor = (key: string): DesiredPod | undefined => {
    for (const [source, pods] of wanted) {
      const pod = pods.get(key);
      if (pod) return { uid: pod.metadata.uid, pod, source };
    }
    return undefined;
  };

  function start(key: string, wish: DesiredPod): void {
    running.set(key, { source: wish.source as StaticSource, pod: wish.pod, stage: 'wanted' });
    loop.put(wish);
  }

  function end(one: Running, because: string): void {
    one.stage = 'ending';
    const { uid } = one.pod.metadata;
    const graceSeconds = Math.max(1, one.pod.spec.terminationGracePeriodSeconds ?? 30);
    log.info({ pod: keyOf(one.pod), podUid: uid, because }, 'Static pod ends');
    loop.terminate(uid, { graceSeconds, because });
  }

  function follow(key: string, one: Running): void {
    if (one.stage !== 'wanted') return;
    const wish = wishFor(key);
    if (!wish) end(one, 'its manifest is gone');
    else if (wish.uid !== one.pod.metadata.uid) end(one, 'its manifest has changed');
    else if (wishOf(wish.pod) !== wishOf(one.pod)) start(key, wish);
  }

  const find = (uid: string): [string, Running] | undefined =>
    [...running].find(([, { pod }]) => pod.metadata.uid === uid);

  return {
    snapshot: (source, pods) => {
      wanted.set(source, distinct(source, pods, events));
      for (const [key, one] of running) follow(key, one);
      for (const key of wanted.get(source)?.keys() ?? []) {
        const wish = wishFor(key);
        if (wish && !running.has(key)) start(key, wish);
      }
      loop.ready(source);
    },
    terminated: (uid) => {
      const [, one] = find(uid) ?? [];
      if (one?.stage !== 'ending') return;
      one.stage = 'removed';
      loop.remove(uid);
    },
    forgotten: (uid) => {
      const [key, one] = find(uid) ?? [];
      if (key === undefined || one?.stage !== 'removed') return;
      running.delete(key);
      const wish = wishFor(key);
      if (wish) start(key, wish);
    },
    list: () => [...running.values()].map(({ pod }) => pod),
  };
}

/** Of two with one name the first counts. */
function distinct(source: StaticSource, pods: readonly Pod[], events: EventSink): ReadonlyMap<string, Pod> {
  const kept = new Map<string, Pod>();
  for (const pod of pods) {
    const { name } = pod.metadata;
    if (!kept.has(keyOf(pod))) kept.set(keyOf(pod), pod);
    else {
      const message = `Error validating pod ${name}_${pod.metadata.namespace} from ${source} due to duplicate pod name "${name}", ignoring`;
      events.pod(pod, { type: 'Warning', reason: 'FailedValidation', message });
    }
  }
  return kept;
}
