// Which routes lead to the pods of other nodes, and what has to change until they do.
import { canonicalIp, formatCidr, parseCidr } from '../../../host/cidr.ts';
import type { Node } from '../../../kube/types.ts';

/** Marks our routes among all others of the node: a number that no routing daemon uses. */
export const ROUTE_PROTOCOL = 78;

/** Another node: its pods are reached through it. */
export interface NodeRoute {
  readonly node: string;
  readonly podCidrs: readonly string[];
  /** Its InternalIPs. */
  readonly addresses: readonly string[];
}

export interface Route {
  readonly dst: string;
  readonly via: string;
}

export interface RouteChange {
  /** A line for `ip -batch`. */
  readonly line: string;
  readonly because: string;
}

/** What is known of all nodes but this one; those without a share of the pods' addresses are left out. */
export function neighboursOf(nodes: readonly Node[], own: string): readonly NodeRoute[] {
  return nodes.flatMap(({ metadata, spec, status }) => {
    const podCidrs = spec?.podCIDRs?.length ? spec.podCIDRs : spec?.podCIDR ? [spec.podCIDR] : [];
    if (metadata.name === own || podCidrs.length === 0) return [];
    const internal = (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
    return [{ node: metadata.name, podCidrs, addresses: internal.map(({ address }) => address) }];
  });
}

/** One route per block and node, in canonical text. A node without an address of the block's family has none. */
export function wantedRoutes(nodes: readonly NodeRoute[]): readonly Route[] {
  return nodes.flatMap(({ podCidrs, addresses }) =>
    podCidrs.flatMap((text) => {
      const cidr = parseCidr(text);
      const via = addresses.find((address) => address.includes(':') === (cidr?.family === 6));
      const gateway = via && canonicalIp(via);
      return cidr && gateway ? [{ dst: formatCidr(cidr), via: gateway }] : [];
    }),
  );
}

/** `seen`: our own routes as the kernel has them. Gone ones first, for a block may have moved to another node. */
export function planRoutes(wanted: readonly Route[], seen: readonly Route[]): readonly RouteChange[] {
  const key = ({ dst, via }: Route): string => `${dst} via ${via}`;
  const has = new Set(seen.map(key));
  const wants = new Set(wanted.map(key));
  return [
    ...seen
      .filter((route) => !wants.has(key(route)))
      .map((route) => ({
        line: `route del ${key(route)} proto ${ROUTE_PROTOCOL}`,
        because: `no node has ${route.dst} at ${route.via} any more`,
      })),
    ...wanted
      .filter((route) => !has.has(key(route)))
      .map((route) => ({
        line: `route replace ${key(route)} proto ${ROUTE_PROTOCOL}`,
        because: `the pods of ${route.dst} are behind ${route.via}`,
      })),
  ];
}
