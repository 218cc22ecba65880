// What of an attachment is not as ADD made it. Empty: all is well.
import type { Attachment, BridgeConfig, ObservedAttachment } from '../model.ts';
import { gatewayAddresses } from './ranges.ts';

/** A link as `ip` shows it. */
export interface SeenLink {
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly address?: string;
  readonly master?: string;
  readonly addr_info?: readonly { readonly local: string; readonly prefixlen: number }[];
}

export interface SeenAttachment {
  readonly bridge: SeenLink | undefined;
  readonly host: SeenLink | undefined;
  readonly pod: SeenLink | undefined;
  readonly routes: readonly { readonly dst: string; readonly gateway?: string }[];
}

export function differences(config: BridgeConfig, attachment: Attachment, seen: SeenAttachment): readonly string[] {
  const { bridge, isGateway, rangeSets } = config;
  const { hostIfName, ifName, mac, addresses, routes } = attachment;
  const gateways = isGateway ? gatewayAddresses(rangeSets) : [];
  const own = addresses.map(({ address, prefix }) => `${address}/${prefix}`);
  return [
    ...linkDifferences(bridge, seen.bridge, gateways),
    ...linkDifferences(hostIfName, seen.host, []),
    ...(seen.host && seen.host.master !== bridge ? [`link "${hostIfName}" is not a port of "${bridge}"`] : []),
    ...linkDifferences(ifName, seen.pod, own),
    ...(seen.pod && seen.pod.address !== mac ? [`link "${ifName}" has not the hardware address ${mac}`] : []),
    ...routes
      .filter((route) => !seen.routes.some(({ dst, gateway }) => sameBlock(dst, route.dst) && gateway === route.gw))
      .map(({ dst, gw }) => `route to "${dst}"${gw === undefined ? '' : ` via ${gw}`} is not there`),
  ];
}

function linkDifferences(name: string, link: SeenLink | undefined, addresses: readonly string[]): readonly string[] {
  if (!link) return [`link "${name}" is not there`];
  const has = new Set((link.addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`));
  const missing = addresses.filter((address) => !has.has(address));
  return [
    ...(link.flags.includes('UP') ? [] : [`link "${name}" is down`]),
    ...missing.map((address) => `link "${name}" has not the address ${address}`),
  ];
}

/** `ip` calls 0.0.0.0/0 and ::/0 "default", and leaves /32 and /128 away. */
function sameBlock(shown: string, wanted: string): boolean {
  if (shown === 'default') return wanted.endsWith('/0');
  return shown === wanted || wanted === `${shown}/32` || wanted === `${shown}/128`;
}

/** What the answer tells of links that are all there. */
export function observedOf({ bridge, host }: SeenAttachment): ObservedAttachment {
  return { bridgeMac: bridge?.address ?? '', hostMac: host?.address ?? '', mtu: host?.mtu ?? 0 };
}
