// What to tell `ip`: three batches, so that an ADD costs two processes once the bridge stands.
import type { Attachment, BridgeConfig, LeasedAddress, Route } from '../model.ts';
import { macOf } from './names.ts';
import { gatewayAddresses } from './ranges.ts';

/** The bridge itself, where there is none yet. An own hardware address, for it would else change with its ports. */
export function planBridge(config: BridgeConfig): readonly string[] {
  const { bridge, mtu } = config;
  const gateways = gatewayAddresses(config.rangeSets).map((address) => ({ address: address.split('/')[0] ?? '' }));
  return [words('link add dev', bridge, 'address', macOf(gateways), size(mtu), 'type bridge')];
}

/**
 * The host's end, and the pod's end straight into its namespace. The bridge's addresses and state are said again each time:
 * that mends what somebody took away. The last line shows all that the answer tells.
 */
export function planHostSide(config: BridgeConfig, attachment: Attachment): readonly string[] {
  const { bridge, mtu, hairpinMode } = config;
  const { hostIfName, ifName, netns, mac } = attachment;
  const gateways = config.isGateway ? gatewayAddresses(config.rangeSets) : [];
  return [
    ...gateways.map((address) => words('address replace', address, 'dev', bridge, noDad(address))),
    `link set dev ${bridge} up`,
    words(
      'link add dev',
      hostIfName,
      size(mtu),
      'type veth peer name',
      ifName,
      'address',
      mac,
      size(mtu),
      'netns',
      netns,
    ),
    // A port of a bridge needs no address of its own, and must not hear router advertisements of pods.
    `link set dev ${hostIfName} addrgenmode none master ${bridge} up`,
    ...(hairpinMode ? [`link set dev ${hostIfName} type bridge_slave hairpin on`] : []),
    `address show dev ${bridge}`,
    `address show dev ${hostIfName}`,
  ];
}

/** The pod's end, told from inside its namespace. */
export function planPodSide(attachment: Attachment): readonly string[] {
  const { ifName, addresses, routes } = attachment;
  return [
    'link set dev lo up',
    ...addresses.map(({ address, prefix }) =>
      words('address add', `${address}/${prefix}`, 'dev', ifName, noDad(address)),
    ),
    `link set dev ${ifName} up`,
    ...routes.map((route) =>
      words('route add', route.dst, route.gw === undefined ? '' : `via ${route.gw}`, 'dev', ifName),
    ),
  ];
}

/** A container's routes: those of the configuration, gateways filled in, and a default one per family where asked for. */
export function routesFor(config: BridgeConfig, addresses: readonly LeasedAddress[]): readonly Route[] {
  const gatewayOf = (v6: boolean) => addresses.find(({ family }) => (family === 6) === v6)?.gateway;
  const configured = config.routes.map(({ dst, gw }) => {
    const via = gw ?? gatewayOf(dst.includes(':'));
    return via === undefined ? { dst } : { dst, gw: via };
  });
  if (!config.isDefaultGateway) return configured;
  const has = (dst: string) => configured.some((route) => route.dst === dst);
  const defaults = [
    { dst: '0.0.0.0/0', gw: gatewayOf(false) },
    { dst: '::/0', gw: gatewayOf(true) },
  ].flatMap(({ dst, gw }) => (gw === undefined || has(dst) ? [] : [{ dst, gw }]));
  return [...configured, ...defaults];
}

/** We alone give addresses on this bridge: waiting for duplicates would only make IPv6 late. */
function noDad(address: string): string {
  return address.includes(':') ? 'nodad' : '';
}

function size(mtu: number | undefined): string {
  return mtu === undefined ? '' : `mtu ${mtu}`;
}

function words(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}
