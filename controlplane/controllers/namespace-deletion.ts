// Empties deleted namespaces: asks the API what it serves and what of it a namespace still holds.
import type { ApiClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { namespaces, type Resource } from '../../kube/resources.ts';
import type { KubeObject } from '../../kube/types.ts';
import { type Controller, nothing, watch } from '../model.ts';
import { discover } from './discovery.ts';
import { type NamespaceContent, planDeletion, type Remainder } from './rules/namespace-deletion.ts';

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
  const { served, failures } = await discover(client, signal);
  const remainders: Remainder[] = [];
  for (const { of, verbs } of served) {
    if (!of.namespaced || !verbs.includes('list') || !verbs.includes('deletecollection')) continue;
    remainders.push(await remainder(client, of, namespace, signal));
  }
  return { remainders, undiscovered: failures.length > 0 ? [...failures].sort().join(', ') : undefined };
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
