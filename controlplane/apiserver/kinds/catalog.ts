// Which resources are served, and where their objects stand in the store. What is not listed here is not in discovery either.
import type { ResourceRow, Schema } from '../rules/schema.ts';
import type { Kind, Strategy } from './kind.ts';
import { strategies } from './strategies.ts';

/** Served with storage; the order is that of `kubectl api-versions`, old groups last. */
const stored = [
  '/v1/configmaps',
  '/v1/endpoints',
  '/v1/events',
  '/v1/namespaces',
  '/v1/nodes',
  '/v1/persistentvolumeclaims',
  '/v1/persistentvolumes',
  '/v1/pods',
  '/v1/podtemplates',
  '/v1/replicationcontrollers',
  '/v1/secrets',
  '/v1/serviceaccounts',
  '/v1/services',
  'apps/v1/controllerrevisions',
  'apps/v1/daemonsets',
  'apps/v1/deployments',
  'apps/v1/replicasets',
  'apps/v1/statefulsets',
  'events.k8s.io/v1/events',
  'batch/v1/cronjobs',
  'batch/v1/jobs',
  'policy/v1/poddisruptionbudgets',
  'storage.k8s.io/v1/csidrivers',
  'storage.k8s.io/v1/csinodes',
  'storage.k8s.io/v1/storageclasses',
  'storage.k8s.io/v1/volumeattachments',
  'scheduling.k8s.io/v1/priorityclasses',
  'node.k8s.io/v1/runtimeclasses',
  'discovery.k8s.io/v1/endpointslices',
  'certificates.k8s.io/v1/certificatesigningrequests',
  'coordination.k8s.io/v1/leases',
];

/** Asked, answered and forgotten. */
const asked = [
  '/v1/bindings',
  'authentication.k8s.io/v1/selfsubjectreviews',
  'authentication.k8s.io/v1/tokenreviews',
  'authorization.k8s.io/v1/localsubjectaccessreviews',
  'authorization.k8s.io/v1/selfsubjectaccessreviews',
  'authorization.k8s.io/v1/selfsubjectrulesreviews',
  'authorization.k8s.io/v1/subjectaccessreviews',
];

/** Keys as upstream lays them out, so that a lab's store can be read by a real kube-apiserver one day. */
const prefixes: Readonly<Record<string, string>> = {
  nodes: '/registry/minions/',
  services: '/registry/services/specs/',
  endpoints: '/registry/services/endpoints/',
  replicationcontrollers: '/registry/controllers/',
};

const idOf = ({ group, version, resource }: ResourceRow): string => `${group}/${version}/${resource}`;

function rowsOf(schema: Schema, ids: readonly string[]): ResourceRow[] {
  return ids.map((id) => {
    const row = schema.data.resources.find((one) => idOf(one) === id);
    if (!row) throw new Error(`The API data has no resource "${id}"`);
    return row;
  });
}

export function storedKinds(schema: Schema): Kind[] {
  return rowsOf(schema, stored).map((row) => {
    const strategy: Strategy = strategies[idOf(row)] ?? {};
    const type = schema.typeOf(row.group, row.version, row.kind);
    if (!type) throw new Error(`The API data has no type for "${idOf(row)}"`);
    return {
      ...row,
      apiVersion: row.group === '' ? row.version : `${row.group}/${row.version}`,
      type,
      prefix: prefixes[row.resource] ?? `/registry/${row.resource}/`,
      strategy,
    };
  });
}

export const askedRows = (schema: Schema): ResourceRow[] => rowsOf(schema, asked);
