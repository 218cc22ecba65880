// Which addresses the node goes by.
import { canonicalIp, contains, parseAddress, parseCidr } from '../../../host/cidr.ts';
import type { NodeAddress } from '../../../kube/types.ts';

export interface AddressFacts {
  /** --node-ip, one or one per family. */
  readonly configured: readonly string[];
  readonly nodeName: string;
  /** What the node's name resolves to. */
  readonly resolved: readonly string[];
  /** Addresses by interface, as the kernel lists them. */
  readonly interfaces: ReadonlyMap<string, readonly string[]>;
  readonly defaultInterfaces: readonly string[];
}

const unusable = [
  ['unspecified', ['0.0.0.0/32', '::/128']],
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['link-local', ['169.254.0.0/16', 'fe80::/10']],
  ['multicast', ['224.0.0.0/4', 'ff00::/8']],
] as const;

/** Why `ip` cannot be a node's; undefined where it can. */
export function whyNot(ip: string, local: ReadonlySet<string>): string | undefined {
  const address = parseAddress(ip);
  if (!address) return 'it is no IP address';
  const kind = unusable.find(([, blocks]) =>
    blocks.some((block) => {
      const cidr = parseCidr(block);
      return cidr !== undefined && cidr.family === address.family && contains(cidr, address);
    }),
  );
  if (kind) return `it is ${kind[0]}`;
  return local.has(canonicalIp(ip) ?? ip) ? undefined : 'no interface of this host has it';
}

function localAddresses(interfaces: AddressFacts['interfaces']): ReadonlySet<string> {
  return new Set([...interfaces.values()].flat().map((ip) => canonicalIp(ip) ?? ip));
}

/** IPv4 before IPv6, else as found. */
const v4First = (ips: readonly string[]): string[] =>
  [...ips].sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')));

/**
 * The node's addresses, primary first: as configured, else the node's name where it is an address or resolves to one of
 * ours, else the address beside the default route. Throws a RangeError where a configured one cannot be.
 */
export function chooseNodeIps(facts: AddressFacts): readonly string[] {
  const local = localAddresses(facts.interfaces);
  for (const ip of facts.configured) {
    const why = whyNot(ip, local);
    if (why) throw new RangeError(`Cannot use node IP "${ip}": ${why}`);
  }
  if (facts.configured.length > 0) return facts.configured.map((ip) => canonicalIp(ip) ?? ip);
  const named = canonicalIp(facts.nodeName);
  const routed = facts.defaultInterfaces.flatMap((name) => facts.interfaces.get(name) ?? []);
  const candidates = [...(named ? [named] : []), ...v4First(facts.resolved), ...v4First(routed)];
  const found = candidates.find((ip) => whyNot(ip, local) === undefined);
  return found === undefined ? [] : [canonicalIp(found) ?? found];
}

export function nodeAddresses(ips: readonly string[], nodeName: string): NodeAddress[] {
  return [...ips.map((address) => ({ type: 'InternalIP', address })), { type: 'Hostname', address: nodeName }];
}
