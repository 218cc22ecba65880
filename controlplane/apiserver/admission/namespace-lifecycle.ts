// Nothing is created in a namespace that is not there or that is going, and the namespaces everybody needs stay.
import type { Parts } from '../context.ts';
import { decodeEntry, keyOf } from '../encoding.ts';
import { forbidden, notFound, StatusError } from '../rules/status-error.ts';
import type { Step } from './admission.ts';

const immortal = new Set(['default', 'kube-system', 'kube-public']);

export function namespaceLifecycle(parts: Parts): Step {
  const namespaces = parts.kinds.find(({ kind }) => kind === 'Namespace');
  return {
    validate: ({ operation, kind, name }) => {
      if (operation === 'DELETE' && kind === namespaces && immortal.has(name)) {
        throw forbidden(kind, name, 'this namespace may not be deleted');
      }
    },
    // First of all: the steps after it look for things in the namespace.
    mutate: async ({ operation, kind, namespace, name }) => {
      if (operation !== 'CREATE' || !kind.namespaced || !namespaces) return;
      const entry = await parts.store.get(keyOf(namespaces, '', namespace));
      if (!entry) throw notFound(namespaces, namespace);
      if (!decodeEntry(namespaces, entry).metadata.deletionTimestamp) return;
      const message = `unable to create new content in namespace ${namespace} because it is being terminated`;
      const refusal = forbidden(kind, name, message);
      const cause = {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      };
      throw new StatusError(403, 'Forbidden', refusal.message, { ...refusal.details, causes: [cause] });
    },
  };
}
