// A local copy of one resource, kept true by list and watch. Never stops by itself: it lists again after every failure.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient, ListOptions } from './client.ts';
import { ApiError, isExpired } from './errors.ts';
import type { Resource } from './resources.ts';
import type { KubeObject } from './types.ts';

export type Change<T> =
  | { readonly kind: 'added'; readonly object: T }
  | { readonly kind: 'updated'; readonly object: T; readonly before: T }
  | { readonly kind: 'deleted'; readonly object: T };

export interface Informer<T> {
  /** Lists, watches and repeats until `signal` ends. Resolves then; never rejects. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves after the first complete list. */
  readonly synced: Promise<void>;
  hasSynced(): boolean;
  /** `key` is "namespace/name", or "name" for cluster-scoped objects. */
  get(key: string): T | undefined;
  list(): readonly T[];
  /** Called for every change after this call, in order, synchronously; returns the way to stop it. */
  subscribe(listener: (change: Change<T>) => void): () => void;
}

export interface InformerOptions {
  readonly select?: Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'>;
  /** Told of each failed list or watch before the pause that follows it. */
  readonly onError?: (error: unknown) => void;
  /** Drops what nobody reads (managedFields, big annotations) before an object is kept. */
  readonly trim?: (object: unknown) => void;
  /** Asked before a list that has nothing at all makes all that was known vanish; throws where that is not to be believed. */
  readonly confirmEmpty?: (known: readonly unknown[], signal: AbortSignal) => Promise<void>;
}

const pageSize = 500;
const firstPauseMs = 200;
const lastPauseMs = 30_000;

/** "namespace/name", or "name" for cluster-scoped objects. */
export function keyOf(object: { metadata: { name: string; namespace?: string } }): string {
  const { name, namespace } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}

/** Prepares an informer; nothing is asked before `run`. */
export function createInformer<T extends KubeObject>(
  client: ApiClient,
  of: Resource<T>,
  options: InformerOptions = {},
): Informer<T> {
  const { select = {}, onError = () => {}, trim = () => {}, confirmEmpty } = options;
  const objects = new Map<string, T>();
  const listeners = new Set<(change: Change<T>) => void>();
  const firstList = Promise.withResolvers<void>();
  let synced = false;

  const tell = (change: Change<T>): void => {
    for (const listener of listeners) listener(change);
  };

  function put(object: T): void {
    trim(object);
    const key = keyOf(object);
    const before = objects.get(key);
    if (
      before?.metadata.resourceVersion !== undefined &&
      before.metadata.resourceVersion === object.metadata.resourceVersion
    )
      return;
    // A name that came back as another object is a deletion and an addition.
    if (before && before.metadata.uid !== object.metadata.uid) remove(key);
    const known = objects.get(key);
    objects.set(key, object);
    tell(known ? { kind: 'updated', object, before: known } : { kind: 'added', object });
  }

  function remove(key: string, last?: T): void {
    const known = objects.get(key);
    if (!known) return;
    objects.delete(key);
    tell({ kind: 'deleted', object: last ?? known });
  }

  async function listAll(signal: AbortSignal): Promise<string> {
    const fresh: T[] = [];
    let more: string | undefined;
    let resourceVersion = '';
    do {
      const page = await client.list(of, { ...select, limit: pageSize, ...(more ? { continue: more } : {}) }, signal);
      for (const item of page.items)
        fresh.push(
          Object.assign(item, {
            apiVersion: of.group === '' ? of.version : `${of.group}/${of.version}`,
            kind: of.kind,
          }),
        );
      more = page.metadata.continue || undefined;
      resourceVersion = page.metadata.resourceVersion ?? '';
    } while (more);
    if (fresh.length === 0 && objects.size > 0) await confirmEmpty?.([...objects.values()], signal);
    const present = new Set(fresh.map(keyOf));
    for (const key of [...objects.keys()]) if (!present.has(key)) remove(key);
    for (const object of fresh) put(object);
    synced = true;
    firstList.resolve();
    return resourceVersion;
  }

  async function watchFrom(from: string, signal: AbortSignal): Promise<string> {
    let resourceVersion = from;
    // Spread reconnects of many watchers over time.
    const timeoutSeconds = 300 + Math.floor(Math.random() * 300);
    for await (const event of client.watch(of, { ...select, resourceVersion, timeoutSeconds }, signal)) {
      if (event.type === 'ERROR') throw new ApiError('Watch ended', { reason: 'ServerError', status: event.object });
      resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion;
      if (event.type === 'DELETED') remove(keyOf(event.object), event.object);
      else if (event.type !== 'BOOKMARK') put(event.object);
    }
    return resourceVersion;
  }

  async function run(signal: AbortSignal): Promise<void> {
    let resourceVersion: string | undefined;
    let pauseMs = firstPauseMs;
    while (!signal.aborted) {
      try {
        resourceVersion ??= await listAll(signal);
        const startedAt = performance.now();
        resourceVersion = await watchFrom(resourceVersion, signal);
        if (performance.now() - startedAt > 1000) pauseMs = firstPauseMs;
        else await pause(pauseMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        // Whatever broke, a fresh list is the truth; only a connection that was lost may resume where it was.
        if (!(error instanceof ApiError && error.reason === 'Unreachable')) resourceVersion = undefined;
        if (!isExpired(error)) onError(error);
        await pause(pauseMs, signal);
        pauseMs = Math.min(pauseMs * 2, lastPauseMs);
      }
    }
  }

  return {
    run,
    synced: firstList.promise,
    hasSynced: () => synced,
    get: (key) => objects.get(key),
    list: () => [...objects.values()],
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds * (0.5 + Math.random()), undefined, { signal }).catch(() => {});
}
