// Local copies of the API's objects for all loops of one identity: one informer per resource, indexed by namespace and by node.
import type { ApiClient, ListOptions } from '../kube/client.ts';
import { type Change, createInformer, type Informer, keyOf } from '../kube/informer.ts';
import { pods, type Resource } from '../kube/resources.ts';
import type { KubeObject, Pod } from '../kube/types.ts';
import type { View } from './model.ts';

export interface Cache {
  readonly view: View;
  /** Called for every change of one resource, in order. The view already shows it. */
  subscribe(of: Resource<KubeObject>, listener: (change: Change<KubeObject>) => void): () => void;
  /** The newest version of any object of the resource that was ever shown. */
  version(of: Resource<KubeObject>): bigint;
  /** Lists and watches until `signal` ends. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when every resource has been listed once. */
  readonly synced: Promise<void>;
}

/** One resource to hold, or the part of it that anybody asks for. */
export interface Held {
  readonly of: Resource<KubeObject>;
  readonly select?: Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'>;
}

interface Shelf {
  readonly informer: Informer<KubeObject>;
  readonly objects: Map<string, KubeObject>;
  readonly byNamespace: Map<string, Map<string, KubeObject>>;
  readonly listeners: Set<(change: Change<KubeObject>) => void>;
  version: bigint;
}

/** Which of the held resources an object belongs to. */
export const resourceKey = (of: Resource<unknown>): string => `${of.group}/${of.plural}`;

export function createCache(client: ApiClient, held: readonly Held[], onError: (error: unknown) => void): Cache {
  const shelves = new Map<string, Shelf>();
  const podsByNode = new Map<string, Map<string, Pod>>();

  for (const { of, select } of held) {
    const informer = createInformer(client, of, { onError, trim: forgetManagedFields, ...(select ? { select } : {}) });
    const shelf: Shelf = { informer, objects: new Map(), byNamespace: new Map(), listeners: new Set(), version: 0n };
    shelves.set(resourceKey(of), shelf);
    informer.subscribe((change) => {
      index(shelf, change);
      shelf.version = newest(shelf.version, change.object);
      if (of.plural === pods.plural) indexByNode(podsByNode, change as Change<Pod>);
      for (const listener of shelf.listeners) listener(change);
    });
  }

  const shelfOf = (of: Resource<unknown>): Shelf => {
    const shelf = shelves.get(resourceKey(of));
    if (!shelf) throw new Error(`Nobody holds ${of.plural}: name them where the cache is made`);
    return shelf;
  };

  return {
    view: {
      get: <T extends KubeObject>(of: Resource<T>, key: string) => shelfOf(of).objects.get(key) as T | undefined,
      list: <T extends KubeObject>(of: Resource<T>, namespace?: string) => {
        const { objects, byNamespace } = shelfOf(of);
        const found = namespace === undefined ? objects : byNamespace.get(namespace);
        return [...(found?.values() ?? [])] as T[];
      },
      podsOn: (nodeName) => [...(podsByNode.get(nodeName)?.values() ?? [])],
    },
    subscribe: (of, listener) => {
      const { listeners } = shelfOf(of);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    version: (of) => shelfOf(of).version,
    run: async (signal) => {
      await Promise.all([...shelves.values()].map(({ informer }) => informer.run(signal)));
    },
    synced: Promise.all([...shelves.values()].map(({ informer }) => informer.synced)).then(() => {}),
  };
}

function newest(known: bigint, { metadata }: KubeObject): bigint {
  const version = /^\d+$/.test(metadata.resourceVersion ?? '') ? BigInt(metadata.resourceVersion ?? 0) : 0n;
  return version > known ? version : known;
}

/** Nobody reads them here, and they are half of an object's size. */
function forgetManagedFields(object: unknown): void {
  delete (object as KubeObject).metadata.managedFields;
}

function index({ objects, byNamespace }: Shelf, { kind, object }: Change<KubeObject>): void {
  const key = keyOf(object);
  const { namespace } = object.metadata;
  if (kind === 'deleted') objects.delete(key);
  else objects.set(key, object);
  if (namespace !== undefined) put(byNamespace, namespace, key, kind === 'deleted' ? undefined : object);
}

/** Objects of a cache of metadata have no spec. */
const nodeOf = ({ spec }: Partial<Pod>): string | undefined => spec?.nodeName;

function indexByNode(byNode: Map<string, Map<string, Pod>>, change: Change<Pod>): void {
  const key = keyOf(change.object);
  const before = change.kind === 'updated' ? nodeOf(change.before) : undefined;
  const now = nodeOf(change.object);
  if (before && before !== now) put(byNode, before, key, undefined);
  if (now) put(byNode, now, key, change.kind === 'deleted' ? undefined : change.object);
}

function put<T>(groups: Map<string, Map<string, T>>, group: string, key: string, object: T | undefined): void {
  const members = groups.get(group) ?? new Map<string, T>();
  if (object === undefined) members.delete(key);
  else members.set(key, object);
  if (members.size === 0) groups.delete(group);
  else groups.set(group, members);
}
