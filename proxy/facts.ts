// What the rules of one family must know of this node, from the configuration, the Node object and the host's addresses.
import { contains, type Family, formatCidr, parseAddress, parseCidr } from '../host/cidr.ts';
import type { Node } from '../kube/types.ts';
import type { ProxyConfig } from './config/config.ts';
import type { LocalDetector, NodeFacts } from './model.ts';

/** What was found out about the host, once. */
export interface HostFacts {
  readonly affinity: NodeFacts['affinity'];
  /** Whether the kernel lets out-of-window TCP packets pass as part of their connection. */
  readonly isLiberal: boolean;
}

/** `hostAddresses` are those of all interfaces, canonical. */
export function nodeFacts(
  config: ProxyConfig,
  family: Family,
  node: Node | undefined,
  host: HostFacts,
  hostAddresses: () => readonly string[],
): NodeFacts {
  const nodeIp = primaryAddress(node, family);
  const nodePortAddresses = nodePortAddressesOf(config, family, nodeIp, hostAddresses);
  const servesLoopback = nodePortAddresses?.some((ip) => ip.startsWith('127.')) ?? true;
  return {
    family,
    nodeName: config.nodeName,
    zone: node?.metadata.labels?.['topology.kubernetes.io/zone'],
    nodeIp,
    masqueradeBit: config.masqueradeBit,
    masqueradeAll: config.masqueradeAll,
    detector: detectorOf(config, family, node),
    nodePortAddresses,
    localhostNodePorts: family === 4 && config.localhostNodePorts && servesLoopback,
    dropInvalid: !host.isLiberal,
    affinity: host.affinity,
  };
}

function primaryAddress(node: Node | undefined, family: Family): string | undefined {
  const addresses = node?.status?.addresses ?? [];
  const ofType = (type: string): string | undefined =>
    addresses.find((one) => one.type === type && parseAddress(one.address)?.family === family)?.address;
  return ofType('InternalIP') ?? ofType('ExternalIP');
}

function firstOf(family: Family, cidrs: readonly string[]): string | undefined {
  const found = cidrs.map((text) => parseCidr(text)).find((cidr) => cidr?.family === family);
  return found && formatCidr(found);
}

function detectorOf({ detectLocal }: ProxyConfig, family: Family, node: Node | undefined): LocalDetector | undefined {
  const negatable = (match: string): LocalDetector => ({ ifLocal: match, ifNotLocal: `! ${match}` });
  switch (detectLocal.mode) {
    case 'BridgeInterface':
      return negatable(`-i ${detectLocal.name}`);
    case 'InterfaceNamePrefix':
      return negatable(`-i ${detectLocal.prefix}+`);
    case 'ClusterCIDR':
    case 'NodeCIDR': {
      const cidr = firstOf(family, detectLocal.mode === 'ClusterCIDR' ? detectLocal.cidrs : podCidrs(node));
      return cidr === undefined ? undefined : negatable(`-s ${cidr}`);
    }
  }
}

/** The Node's pod ranges; none until somebody gave it some. */
export function podCidrs(node: Node | undefined): readonly string[] {
  return node?.spec?.podCIDRs ?? (node?.spec?.podCIDR ? [node.spec.podCIDR] : []);
}

function nodePortAddressesOf(
  { nodePortAddresses: wanted, localhostNodePorts }: ProxyConfig,
  family: Family,
  nodeIp: string | undefined,
  hostAddresses: () => readonly string[],
): readonly string[] | undefined {
  if (wanted === 'all') return undefined;
  if (wanted === 'primary') return nodeIp ? [nodeIp] : [];
  const blocks = wanted.flatMap((text) => parseCidr(text) ?? []).filter((cidr) => cidr.family === family);
  if (blocks.length === 0 || blocks.some(({ prefix }) => prefix === 0)) return undefined;
  const isLoopback = (ip: string): boolean => ip === '::1' || ip.startsWith('127.');
  return hostAddresses()
    .filter((ip) => !isLoopback(ip) || (family === 4 && localhostNodePorts))
    .filter((ip) => {
      const address = parseAddress(ip);
      return address !== undefined && blocks.some((block) => contains(block, address));
    })
    .sort();
}
