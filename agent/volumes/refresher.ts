// Notices that the files of a running pod's volumes are old: at once when an object changes, and now and then for all the rest.
import type { Clock } from '../../host/clock.ts';
import type { Pod } from '../../kube/types.ts';
import type { PodObjects } from '../model.ts';
import { refersTo } from './rules/kinds.ts';

/** Objects tell of their changes; this is for tokens, labels and what was missed. */
const resyncMs = 60_000;
const lookMs = 15_000;
const atOnce = 8;

export interface RefreshedPod {
  readonly pod: Pod;
  readonly refreshedAtMs: number;
}

export interface RefresherParts {
  readonly objects: Pick<PodObjects, 'onChange'>;
  readonly clock: Clock;
  /** The pods whose volumes are set up, by UID. */
  pods(): Iterable<readonly [string, RefreshedPod]>;
  /** Never rejects. */
  refresh(uid: string): Promise<void>;
}

/** Calls `refresh` for every pod that needs it until `signal` ends. Resolves then; never rejects. */
export async function keepFresh({ objects, clock, pods, refresh }: RefresherParts, signal: AbortSignal): Promise<void> {
  const due = new Set<string>();
  let wake = Promise.withResolvers<void>();
  const stop = objects.onChange((kind, namespace, name) => {
    for (const [uid, { pod }] of pods()) {
      if (pod.metadata.namespace !== namespace) continue;
      if (pod.spec.volumes?.some((volume) => refersTo(volume, kind, name))) due.add(uid);
    }
    if (due.size > 0) wake.resolve();
  });
  while (!signal.aborted) {
    await nextLook(clock, wake.promise, signal);
    wake = Promise.withResolvers();
    const now = clock.now();
    for (const [uid, { refreshedAtMs }] of pods()) if (now - refreshedAtMs >= resyncMs) due.add(uid);
    const batch = [...due];
    due.clear();
    const lane = async (): Promise<void> => {
      for (let uid = batch.shift(); uid !== undefined; uid = batch.shift()) await refresh(uid);
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, batch.length) }, lane));
  }
  stop();
}

async function nextLook(clock: Clock, woken: Promise<void>, signal: AbortSignal): Promise<void> {
  const ended = new AbortController();
  const slept = clock.sleep(lookMs, AbortSignal.any([signal, ended.signal])).catch(() => {});
  await Promise.race([woken, slept]);
  ended.abort();
}
