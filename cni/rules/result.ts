// Answers as each version of the specification writes them.
import type { Attachment, BridgeConfig, CniVersion, ObservedAttachment } from '../model.ts';

export type CniResult = Readonly<Record<string, unknown>>;

/** Interfaces in the order bridge, host's end, pod's end; the addresses belong to the third. */
export function renderResult(config: BridgeConfig, attachment: Attachment, seen: ObservedAttachment): CniResult {
  const { cniVersion, bridge, dns } = config;
  // Since 1.1 an interface tells its MTU; before 1.0 an address told its family.
  const mtu = cniVersion === '1.1.0' ? { mtu: seen.mtu } : {};
  return {
    cniVersion,
    interfaces: [
      { name: bridge, mac: seen.bridgeMac, ...mtu },
      { name: attachment.hostIfName, mac: seen.hostMac, ...mtu },
      { name: attachment.ifName, mac: attachment.mac, ...mtu, sandbox: attachment.netns },
    ],
    ips: attachment.addresses.map(({ family, address, prefix, gateway }) => ({
      ...(isBefore1(cniVersion) ? { version: String(family) } : {}),
      address: `${address}/${prefix}`,
      gateway,
      interface: 2,
    })),
    routes: attachment.routes,
    dns: dns ?? {},
  };
}

function isBefore1(version: CniVersion): boolean {
  return version.startsWith('0.');
}
