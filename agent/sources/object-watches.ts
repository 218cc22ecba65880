// One list and watch per object that pods refer to: the node may read no others, and hears of each change at once.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { ApiError } from '../../kube/errors.ts';
import { createInformer, type Informer } from '../../kube/informer.ts';
import { configMaps, secrets } from '../../kube/resources.ts';
import type { ConfigMap, Secret } from '../../kube/types.ts';
import { type Reference, referenceKey } from './rules/references.ts';

export interface ObjectWatches {
  /** The object as the API has it now; undefined where it has none. Waits at most a second for the first answer, then throws. */
  read(reference: Reference, signal?: AbortSignal): Promise<ConfigMap | Secret | undefined>;
  /** Drops the watches of all others, and of those that nobody has read for five minutes. */
  retain(references: readonly Reference[]): void;
  close(): void;
}

export interface ObjectWatchesParts {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  onChange(reference: Reference): void;
}

const firstAnswerMs = 1000;
const unreadMs = 5 * 60 * 1000;
/** A pod names at most a few dozen objects; past this something is wrong, and memory is not the place to find out. */
const mostWatches = 20_000;

interface ObjectWatch {
  readonly informer: Informer<ConfigMap> | Informer<Secret>;
  readonly stop: () => void;
  readAtMs: number;
}

export function createObjectWatches({ client, clock, log, onChange }: ObjectWatchesParts): ObjectWatches {
  const watches = new Map<string, ObjectWatch>();

  function start(reference: Reference): ObjectWatch {
    const { kind, namespace, name } = reference;
    if (watches.size >= mostWatches) throw new Error(`Cannot watch more than ${mostWatches} objects`);
    const options = {
      select: { namespace, fieldSelector: `metadata.name=${name}` },
      onError: (err: unknown) => log.debug({ kind, namespace, name, err }, 'Object watch failed'),
      trim: dropManagedFields,
    };
    const ended = new AbortController();
    const informer =
      kind === 'ConfigMap' ? createInformer(client, configMaps, options) : createInformer(client, secrets, options);
    informer.subscribe(({ object }) => {
      onChange(reference);
      // It can never change again, so nobody needs to look.
      if (object.immutable) setImmediate(() => ended.abort());
    });
    void informer.run(ended.signal);
    const watch = { informer, stop: () => ended.abort(), readAtMs: clock.now() };
    watches.set(referenceKey(reference), watch);
    return watch;
  }

  async function read(reference: Reference, signal?: AbortSignal): Promise<ConfigMap | Secret | undefined> {
    const watch = watches.get(referenceKey(reference)) ?? start(reference);
    watch.readAtMs = clock.now();
    if (!watch.informer.hasSynced()) await firstAnswer(watch, reference, signal);
    return watch.informer.get(`${reference.namespace}/${reference.name}`);
  }

  async function firstAnswer({ informer }: ObjectWatch, { kind }: Reference, signal?: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const either = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal;
    const late = clock.sleep(firstAnswerMs, either).then(() => {
      const message = `failed to sync ${kind.toLowerCase()} cache: timed out waiting for the condition`;
      throw new ApiError(message, { reason: 'Timeout' });
    });
    try {
      await Promise.race([informer.synced, late]);
    } finally {
      late.catch(() => {});
      ended.abort();
    }
  }

  function drop(key: string, watch: ObjectWatch): void {
    watch.stop();
    watches.delete(key);
  }

  return {
    read,
    retain: (references) => {
      const wanted = new Set(references.map(referenceKey));
      const now = clock.now();
      for (const [key, watch] of watches) {
        if (!wanted.has(key) || now - watch.readAtMs > unreadMs) drop(key, watch);
      }
    },
    close: () => {
      for (const [key, watch] of watches) drop(key, watch);
    },
  };
}

function dropManagedFields(object: unknown): void {
  delete (object as ConfigMap).metadata.managedFields;
}
