// Who owns whom among all objects, by UID, kept true by the cache's changes.
import type { Resource } from '../../kube/resources.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { Cache } from '../cache.ts';
import type { Node } from './rules/garbage.ts';

export interface Graph {
  get(uid: string): Node | undefined;
  dependents(uid: string): readonly Node[];
}

/** Follows all of `resources`; subscribe before anybody who asks it. */
export function createGraph(cache: Cache, resources: readonly Resource<KubeObject>[]): Graph {
  const nodes = new Map<string, Node>();
  const owned = new Map<string, Set<string>>();

  const owners = ({ metadata }: KubeObject): string[] => (metadata.ownerReferences ?? []).map(({ uid }) => uid);

  function forget(object: KubeObject): void {
    const uid = object.metadata.uid ?? '';
    nodes.delete(uid);
    for (const owner of owners(object)) {
      const set = owned.get(owner);
      set?.delete(uid);
      if (set?.size === 0) owned.delete(owner);
    }
  }

  for (const of of resources) {
    cache.subscribe(of, (change) => {
      forget(change.kind === 'updated' ? change.before : change.object);
      if (change.kind === 'deleted') return;
      const { object } = change;
      const uid = object.metadata.uid ?? '';
      nodes.set(uid, { of, object });
      for (const owner of owners(object)) owned.set(owner, (owned.get(owner) ?? new Set()).add(uid));
    });
  }

  return {
    get: (uid) => nodes.get(uid),
    dependents: (uid) => [...(owned.get(uid) ?? [])].flatMap((one) => nodes.get(one) ?? []),
  };
}
