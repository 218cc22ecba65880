// Which endpoints of a service port get traffic from this node: readiness, termination, traffic policies, hints.
import { type Family, formatAddress } from '../../host/cidr.ts';
import type { EndpointSlice } from '../../kube/types.ts';
import type { Endpoint, NodeFacts, ServicePort } from '../model.ts';
import { hostPort, isReachable, readAddress } from './addresses.ts';
import { isExternal, isPort } from './service-ports.ts';

/** The endpoints of one service port, by name and protocol as slices join them, sorted by "ip:port". */
export function readEndpoints(slices: readonly EndpointSlice[], port: ServicePort, family: Family): Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const slice of slices) {
    if (slice.addressType !== (family === 4 ? 'IPv4' : 'IPv6')) continue;
    for (const slicePort of slice.ports ?? []) {
      if (typeof slicePort.name !== 'string' || slicePort.name !== port.portName || !isPort(slicePort.port)) continue;
      if ((slicePort.protocol ?? 'TCP').toLowerCase() !== port.protocol) continue;
      for (const one of slice.endpoints ?? []) addEndpoint(found, one, slicePort.port, family);
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

type SliceEndpoint = NonNullable<EndpointSlice['endpoints']>[number];

function addEndpoint(found: Map<string, Endpoint>, one: SliceEndpoint, port: number, family: Family): void {
  const address = readAddress(one.addresses?.[0]);
  if (!address || address.family !== family || !isReachable(address)) return;
  const ip = formatAddress(address);
  const destination = hostPort(ip, port);
  const terminating = one.conditions?.terminating ?? false;
  // The address of a pod that goes may already belong to the next one.
  if (terminating && found.get(destination)?.terminating === false) return;
  found.set(destination, {
    ip,
    port,
    ready: one.conditions?.ready ?? true,
    serving: one.conditions?.serving ?? true,
    terminating,
    nodeName: one.nodeName,
    nodeHints: (one.hints?.forNodes ?? []).map(({ name }) => name),
    zoneHints: (one.hints?.forZones ?? []).map(({ name }) => name),
  });
}

export interface EndpointChoice {
  /** For traffic under the Cluster policy. */
  readonly cluster: readonly Endpoint[];
  /** For traffic under the Local policy. */
  readonly local: readonly Endpoint[];
  /** Whether any endpoint anywhere takes traffic. */
  readonly any: boolean;
}

const isLeaving = (endpoint: Endpoint): boolean => endpoint.serving && endpoint.terminating;

/** Ready endpoints; where none is ready, those that still serve while they terminate (KEP-1669). */
export function chooseEndpoints(port: ServicePort, all: readonly Endpoint[], facts: NodeFacts): EndpointChoice {
  const ready = all.filter((endpoint) => endpoint.ready);
  const leaving = all.filter(isLeaving);
  const usesCluster = !port.internalLocal || isExternal(port);
  const usesLocal = port.internalLocal || (port.externalLocal && isExternal(port));
  const near = nearby(ready, facts);
  const here = (endpoint: Endpoint): boolean => endpoint.nodeName === facts.nodeName;
  const readyHere = ready.filter(here);
  return {
    cluster: usesCluster ? (near.length > 0 ? near : leaving) : [],
    local: usesLocal ? (readyHere.length > 0 ? readyHere : leaving.filter(here)) : [],
    any: ready.length > 0 || leaving.length > 0,
  };
}

/** Topology hints count only where every ready endpoint has them and one names us: half a hint would starve the rest. */
function nearby(ready: readonly Endpoint[], { nodeName, zone }: NodeFacts): readonly Endpoint[] {
  const sameNode = ready.filter(({ nodeHints }) => nodeHints.includes(nodeName));
  if (sameNode.length > 0 && ready.every(({ nodeHints }) => nodeHints.length > 0)) return sameNode;
  const sameZone = zone ? ready.filter(({ zoneHints }) => zoneHints.includes(zone)) : [];
  if (sameZone.length > 0 && ready.every(({ zoneHints }) => zoneHints.length > 0)) return sameZone;
  return ready;
}
