// Runs control loops: changes wake keys, each key is looked at, thought about and acted on; failures wait longer each time.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { isConflict } from '../../kube/errors.ts';
import type { Change } from '../../kube/informer.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { Cache } from '../cache.ts';
import type { EventRecorder } from '../events.ts';
import type { Controller, Watch } from '../model.ts';
import { createWorkQueue, type WorkQueue } from '../queue.ts';
import { apply, RefusedCreate, type Written } from './apply.ts';

export interface ShellParts {
  readonly client: ApiClient;
  readonly cache: Cache;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
}

const defaultWorkers = 4;
const catchUpMs = 10_000;

/** Works until `signal` ends, then finishes what is under way. Call it before the cache runs, so that no change is missed. */
export async function runController<F>(
  controller: Controller<F>,
  parts: ShellParts,
  signal: AbortSignal,
): Promise<void> {
  const { cache, clock } = parts;
  const queue = createWorkQueue({ clock, signal });
  const stops = controller.watches.map((one) =>
    cache.subscribe(one.of, (change) => {
      for (const key of keysOf(one, change, cache)) queue.add(key);
    }),
  );
  try {
    await Promise.race([cache.synced, aborted(signal)]);
    for (const seed of controller.seeds ?? []) queue.add(seed);
    const memory = { unseen: createUnseen(controller.workers === 1), refusals: new Map<string, string>() };
    const workers = Array.from({ length: controller.workers ?? defaultWorkers }, () =>
      work(controller, parts, queue, memory, signal),
    );
    await Promise.all(workers);
  } finally {
    for (const stop of stops) stop();
  }
}

function keysOf(one: Watch, change: Change<KubeObject>, { view }: Cache): Iterable<string> {
  if (change.kind !== 'updated') return one.keys(change.object, view);
  if (one.matters && !one.matters(change.before, change.object)) return [];
  return new Set([...one.keys(change.before, view), ...one.keys(change.object, view)]);
}

/** What one turn of a key leaves for its next. */
interface Memory {
  readonly unseen: Unseen;
  readonly refusals: Map<string, string>;
}

async function work<F>(
  controller: Controller<F>,
  parts: ShellParts,
  queue: WorkQueue,
  memory: Memory,
  signal: AbortSignal,
): Promise<void> {
  for (let key = await queue.take(signal); key !== undefined; key = await queue.take(signal)) {
    try {
      const againInMs = await turn(controller, key, parts, memory, signal);
      queue.succeeded(key);
      memory.refusals.delete(key);
      if (againInMs !== undefined) queue.addAfter(key, againInMs);
    } catch (err) {
      if (signal.aborted) return;
      if (err instanceof RefusedCreate) memory.refusals.set(key, err.message);
      // A conflict is somebody else's change that the next look shows.
      const say = isConflict(err) || err instanceof RefusedCreate ? parts.log.debug : parts.log.warn;
      say.call(parts.log, { controller: controller.name, key, err }, 'Reconciliation failed');
      queue.retry(key);
    } finally {
      queue.done(key);
    }
  }
}

async function turn<F>(
  controller: Controller<F>,
  key: string,
  { client, cache, events, clock, log }: ShellParts,
  { unseen, refusals }: Memory,
  signal: AbortSignal,
): Promise<number | undefined> {
  await unseen.wait(key, cache, signal);
  const refusal = refusals.get(key);
  const facts = await controller.look(key, cache.view, { client, nowMs: clock.now(), refusal, signal });
  const { actions, againInMs } = controller.reconcile(key, cache.view, clock.now(), facts);
  for (const action of actions) {
    const write = await apply(action, { client, events, component: controller.component, signal });
    if (write) unseen.add(key, write);
    if (action.do !== 'Event') {
      log.debug({ controller: controller.name, key, do: action.do, because: action.because }, 'Action applied');
    }
  }
  return againInMs;
}

/** Writes that the cache has not shown yet, by key; by one common key where a loop decides about all keys together. */
interface Unseen {
  add(key: string, write: Written): void;
  wait(key: string, cache: Cache, signal: AbortSignal): Promise<void>;
}

function createUnseen(together: boolean): Unseen {
  const writes = new Map<string, Written[]>();
  const groupOf = (key: string): string => (together ? '' : key);
  return {
    add: (key, write) => {
      const group = groupOf(key);
      writes.set(group, [...(writes.get(group) ?? []), write]);
    },
    wait: async (key, cache, signal) => {
      const group = groupOf(key);
      const known = writes.get(group);
      if (!known) return;
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(catchUpMs)]);
      for (const write of known) await seen(write, cache, deadline);
      writes.delete(group);
    },
  };
}

/** Resolves when the cache shows a write, or has come past it. */
async function seen(write: Written, cache: Cache, signal: AbortSignal): Promise<void> {
  const shown = (): boolean => {
    const object = cache.view.get(write.of, write.key);
    if (write.how !== 'deleted' && cache.version(write.of) >= write.version) return true;
    if (object === undefined) return write.how !== 'created';
    if (write.how === 'deleted') return object.metadata.deletionTimestamp !== undefined;
    return BigInt(object.metadata.resourceVersion ?? 0) >= write.version;
  };
  if (shown()) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = cache.subscribe(write.of, () => {
    if (shown()) resolve();
  });
  await Promise.race([promise, aborted(signal)]);
  stop();
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
