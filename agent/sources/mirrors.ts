// Keeps the images of static pods in the API: made when they are missing, made anew when somebody deletes them.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/errors.ts';
import type { Informer } from '../../kube/informer.ts';
import { pods } from '../../kube/resources.ts';
import type { Node, Pod } from '../../kube/types.ts';
import { type MirrorAction, planMirrors } from './rules/mirrors.ts';

export interface MirrorParts {
  readonly client: ApiClient;
  readonly informer: Informer<Pod>;
  readonly node: () => Node | undefined;
  readonly statics: () => readonly Pod[];
  /** Every source of static pods has spoken. */
  readonly areAllKnown: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** As often as upstream keeps house. Planning costs nothing where all is as it should be. */
const lookEveryMs = 2000;
const lastPauseMs = 60_000;

export interface Mirrors {
  /** Looks now: a static pod has come, changed or gone. */
  poke(): void;
  /** Looks and acts until `signal` ends; mirrors stay then. Never rejects. */
  keep(signal: AbortSignal): Promise<void>;
}

export function createMirrors(parts: MirrorParts): Mirrors {
  let changed = Promise.withResolvers<void>();
  const next = (): Promise<void> => {
    changed = Promise.withResolvers();
    return changed.promise;
  };
  return { poke: () => changed.resolve(), keep: (signal) => keep(parts, next, () => changed.resolve(), signal) };
}

async function keep(
  parts: MirrorParts,
  next: () => Promise<void>,
  poke: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { informer, clock, log } = parts;
  const stopListening = informer.subscribe(poke);
  let pauseMs = lookEveryMs;
  while (!signal.aborted) {
    const changed = next();
    try {
      if (informer.hasSynced()) await keepOnce(parts, signal);
      pauseMs = lookEveryMs;
    } catch (err) {
      if (!signal.aborted) log.warn({ err }, 'Mirror pod could not be kept');
      pauseMs = Math.min(pauseMs * 2, lastPauseMs);
    }
    const pause = new AbortController();
    const over = AbortSignal.any([signal, pause.signal]);
    const pausing = clock.sleep(pauseMs, over).catch(() => {});
    // After a failure the API is not asked again at every change.
    await (pauseMs > lookEveryMs ? pausing : Promise.race([changed, pausing]));
    pause.abort();
  }
  stopListening();
}

async function keepOnce(parts: MirrorParts, signal: AbortSignal): Promise<void> {
  const { informer, node, statics, areAllKnown, log } = parts;
  const facts = { statics: statics(), inApi: informer.list(), node: node(), areAllKnown: areAllKnown() };
  for (const action of planMirrors(facts)) {
    await act(parts.client, action, signal);
    const { namespace, name } = action.pod.metadata;
    const message = action.do === 'CreateMirror' ? 'Mirror pod created' : 'Mirror pod deleted';
    log.info({ pod: `${namespace}/${name}`, because: action.because }, message);
  }
}

/** The informer may be a moment behind: what is there already, or gone already, is what was wanted. */
async function act(client: ApiClient, { do: deed, pod }: MirrorAction, signal: AbortSignal): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  try {
    if (deed === 'CreateMirror') await client.create(pods, pod, signal);
    else await client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } }, signal);
  } catch (error) {
    if (!isAlreadyExists(error) && !isConflict(error) && !isNotFound(error)) throw error;
  }
}
