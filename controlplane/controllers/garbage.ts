// Collects objects whose owners are gone: all kinds that the API serves, by their metadata alone.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resources.ts';
import type { KubeObject, OwnerReference } from '../../kube/types.ts';
import { createCache } from '../cache.ts';
import { type Controller, nothing, watch } from '../model.ts';
import { discover } from './discovery.ts';
import { createGraph, type Graph } from './garbage-graph.ts';
import { isWaiting, type Node, type OwnerState, planGarbage } from './rules/garbage.ts';
import { runController, type ShellParts } from './shell.ts';

const lookForKindsEveryMs = 30_000;
const firstTryMs = 500;

/** Works until `signal` ends; begins anew with each change of what the API serves. `metadata` reads metadata alone. */
export async function runGarbageCollection(parts: ShellParts, metadata: ApiClient, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const resources = await collectable(parts, signal);
    if (!resources) continue;
    const round = new AbortController();
    const until = AbortSignal.any([signal, round.signal]);
    const work = collect(parts, metadata, resources, until);
    await otherKinds(parts, resources, until);
    round.abort();
    await work;
  }
}

/** Undefined where the API could not be asked; the next try comes soon. */
async function collectable(
  { client, log }: ShellParts,
  signal: AbortSignal,
): Promise<readonly Resource<KubeObject>[] | undefined> {
  try {
    const { served } = await discover(client, signal);
    const wanted = ['list', 'watch', 'delete'];
    return served
      .filter(({ of, verbs }) => of.plural !== 'events' && wanted.every((verb) => verbs.includes(verb)))
      .map(({ of }) => of);
  } catch (err) {
    if (!signal.aborted) log.debug({ err }, 'Kinds of the API not known yet');
    await pause(firstTryMs, signal);
    return undefined;
  }
}

async function otherKinds(
  parts: ShellParts,
  known: readonly Resource<KubeObject>[],
  signal: AbortSignal,
): Promise<void> {
  const names = (all: readonly Resource<KubeObject>[]): string => JSON.stringify(all);
  while (!signal.aborted) {
    await pause(lookForKindsEveryMs, signal);
    const found = signal.aborted ? undefined : await collectable(parts, signal);
    if (found && names(found) !== names(known)) return;
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);

async function collect(
  parts: ShellParts,
  metadata: ApiClient,
  resources: readonly Resource<KubeObject>[],
  signal: AbortSignal,
): Promise<void> {
  const onError = (err: unknown): void => parts.log.warn({ err }, 'Cannot watch the API');
  const cache = createCache(
    metadata,
    resources.map((of) => ({ of })),
    onError,
  );
  const graph = createGraph(cache, resources);
  const work = runController(garbageController(graph, resources), { ...parts, cache }, signal);
  await Promise.all([work, cache.run(signal)]);
}

type Owners = ReadonlyMap<string, OwnerState>;

/** Keys are UIDs. */
export function garbageController(graph: Graph, resources: readonly Resource<KubeObject>[]): Controller<Owners> {
  const keys = (object: KubeObject): readonly string[] => {
    const { uid = '', ownerReferences = [] } = object.metadata;
    // What an object owns is looked at when it is gone, or when it waits for that.
    const below = !graph.get(uid) || isWaiting(object) ? graph.dependents(uid) : [];
    return [uid, ...ownerReferences.map((one) => one.uid), ...below.map(({ object: one }) => one.metadata.uid ?? '')];
  };
  return {
    name: 'garbage-collection',
    watches: resources.map((of) => watch(of, keys)),
    look: async (uid, _, { client, signal }) => {
      const node = graph.get(uid);
      const owners = new Map<string, OwnerState>();
      if (!node || node.object.metadata.deletionTimestamp) return owners;
      for (const reference of node.object.metadata.ownerReferences ?? []) {
        owners.set(reference.uid, await stateOf(reference, node, graph, resources, client, signal));
      }
      return owners;
    },
    reconcile: (uid, _view, _nowMs, owners) => {
      const node = graph.get(uid);
      if (!node) return nothing;
      const owner = (reference: OwnerReference): OwnerState => owners.get(reference.uid) ?? 'unknown';
      return planGarbage({ node, dependents: graph.dependents(uid), owner });
    },
  };
}

/** Our copy knows who is there; that somebody is gone only the server can say. */
async function stateOf(
  { apiVersion, kind, name, uid }: OwnerReference,
  { of, object }: Node,
  graph: Graph,
  resources: readonly Resource<KubeObject>[],
  client: ApiClient,
  signal: AbortSignal,
): Promise<OwnerState> {
  const known = graph.get(uid);
  const { namespace } = object.metadata;
  if (known && (!known.of.namespaced || known.object.metadata.namespace === namespace))
    return isWaiting(known.object) ? 'waiting' : 'there';
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  const resource = resources.find((one) => one.group === group && one.kind === kind);
  if (!resource || (resource.namespaced && !of.namespaced)) return 'unknown';
  try {
    const at = { name, ...(resource.namespaced && namespace ? { namespace } : {}) };
    const { metadata } = await client.get(resource, at, signal);
    return metadata.uid === uid ? 'there' : 'gone';
  } catch (error) {
    if (isNotFound(error)) return 'gone';
    throw error;
  }
}
