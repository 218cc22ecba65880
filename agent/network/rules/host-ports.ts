// Which ports of the node lead to a pod, from what the pod asked for and the addresses it got.
import { isIPv6 } from 'node:net';
import type { NetworkConfig } from './conflist.ts';
import type { HostPort } from './traffic.ts';

interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: string;
  readonly hostIP: string;
}

/** None where a plugin of the network declares that it does this itself. */
export function hostPortsOf(
  pod: string,
  network: NetworkConfig,
  capabilityArgs: Readonly<Record<string, unknown>>,
  podIps: readonly string[],
): readonly HostPort[] {
  if (network.plugins.some(({ capabilities }) => capabilities?.['portMappings'] === true)) return [];
  const mappings = (capabilityArgs['portMappings'] ?? []) as readonly PortMapping[];
  return mappings.flatMap(({ hostPort, containerPort, protocol, hostIP: hostIp }) =>
    podIps
      // "0.0.0.0" and "::" are all addresses of their family, "" is all of both.
      .filter((podIp) => hostIp === '' || isIPv6(hostIp) === isIPv6(podIp))
      .flatMap((podIp) => (isProtocol(protocol) ? [{ pod, protocol, hostIp, hostPort, podIp, containerPort }] : [])),
  );
}

function isProtocol(protocol: string): protocol is HostPort['protocol'] {
  return protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp';
}
