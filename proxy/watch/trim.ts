// Drops from objects, before they are kept, what the proxy never reads: with 100,000 endpoints that is most of the memory.
import type { EndpointSlice, Node, Service } from '../../kube/types.ts';

interface Trimmed {
  metadata: { managedFields?: unknown; annotations?: Record<string, string> | undefined; ownerReferences?: unknown };
}

const triggerTime = 'endpoints.kubernetes.io/last-change-trigger-time';

function trimMeta({ metadata }: Trimmed): void {
  const changedAt = metadata.annotations?.[triggerTime];
  delete metadata.managedFields;
  delete metadata.ownerReferences;
  delete metadata.annotations;
  if (changedAt !== undefined) metadata.annotations = { [triggerTime]: changedAt };
}

export function trimService(service: Service): void {
  trimMeta(service);
  delete service.spec.selector;
}

export function trimSlice(slice: EndpointSlice): void {
  trimMeta(slice);
  for (const endpoint of slice.endpoints ?? []) {
    delete endpoint.targetRef;
    delete endpoint.deprecatedTopology;
    delete endpoint.hostname;
    delete endpoint.zone;
  }
}

export function trimNode(node: Node): void {
  trimMeta(node);
  if (node.status) node.status = node.status.addresses ? { addresses: node.status.addresses } : {};
}
