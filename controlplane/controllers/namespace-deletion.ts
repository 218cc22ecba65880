// Empties deleted namespaces: asks the API what it serves and what of it a namespace still holds.
import type { ApiClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { namespaces, type Resource } from '../../kube/resources.ts';
import type { KubeObject } from '../../kube/types.ts';
import { type Controller, nothing, watch } from '../model.ts';
import { type NamespaceContent, planDeletion, type Remainder } from './rules/namespace-deletion.ts';

interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

interface GroupList {
  readonly groups: readonly {
    readonly name: string;
    readonly preferredVersion: { readonly version: string };
  }[];
}

const pageSize = 500;

export const namespaceDeletionController: Controller<NamespaceContent> = {
  name: 'namespace-deletion',
  watches: [watch(namespaces, ({ metadata }) => (metadata.deletionTimestamp ? [metadata.name] : []))],
  look: async (name, view, { client, signal }) =>
    view.get(namespaces, name)?.metadata.deletionTimestamp
      ? namespaceContent(client, name, signal)
      : { remainders: [], undiscovered: undefined },
  reconcile: (name, view, nowMs, found) => {
    const namespace = view.get(namespaces, name);
    return namespace?.metadata.deletionTimestamp ? planDeletion(namespace, found, nowMs) : nothing;
  },
};

/** Each object is counted once, through its group's preferred version. */
async function namespaceContent(client: ApiClient, namespace: string, signal: AbortSignal): Promise<NamespaceContent> {
  const { groups } = await client.request<GroupList>('GET', '/apis', undefined, signal);
  const versions = [
    { group: '', version: 'v1', path: '/api/v1' },
    ...groups.map(({ name, preferredVersion: { version } }) => ({
      group: name,
      version,
      path: `/apis/${name}/${version}`,
    })),
  ];
  const remainders: Remainder[] = [];
  const failures: string[] = [];
  for (const { group, version, path } of versions) {
    try {
      const { resources } = await client.request<{ resources: ApiResource[] }>('GET', path, undefined, signal);
      for (const { name, kind, namespaced, verbs } of resources) {
        if (!namespaced || name.includes('/') || !verbs.includes('list') || !verbs.includes('deletecollection'))
          continue;
        const of: Resource<KubeObject> = { group, version, plural: name, kind, namespaced };
        remainders.push(await remainder(client, of, namespace, signal));
      }
    } catch (error) {
      signal.throwIfAborted();
      failures.push(`${path.replace(/^\/apis?\//, '')}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { remainders, undiscovered: failures.length > 0 ? failures.sort().join(', ') : undefined };
}

async function remainder(
  client: ApiClient,
  of: Resource<KubeObject>,
  namespace: string,
  signal: AbortSignal,
): Promise<Remainder> {
  let count = 0;
  let leaving = true;
  const finalizers: Record<string, number> = {};
  let more: string | undefined;
  do {
    const page = await client
      .list(of, { namespace, limit: pageSize, ...(more ? { continue: more } : {}) }, signal)
      .catch((error: unknown) => {
        // A custom resource whose definition went away in the meantime took its objects along.
        if (isNotFound(error)) return { items: [] as KubeObject[], metadata: { continue: '' } };
        throw error;
      });
    for (const { metadata } of page.items) {
      count++;
      leaving &&= metadata.deletionTimestamp !== undefined;
      for (const name of metadata.finalizers ?? []) finalizers[name] = (finalizers[name] ?? 0) + 1;
    }
    more = page.metadata.continue || undefined;
  } while (more);
  return { of, count, finalizers, leaving };
}
