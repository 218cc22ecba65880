// The filter table's part of a Service: what nobody can answer is refused at once, what is not for us is dropped.
import type { ServicePort, SharedRule } from '../model.ts';
import { exactly } from './addresses.ts';
import type { EndpointChoice } from './endpoints.ts';
import { isExternal } from './service-ports.ts';
import { anywhere, placeAddress, placePort } from './tree.ts';

const inside = { root: 'KUBE-SERVICES', stem: 'KUBE-REJ-', match: '-d', levels: anywhere } as const;
const outside = { root: 'KUBE-EXTERNAL-REFUSED', stem: 'KUBE-XREJ-', match: '-d', levels: anywhere } as const;
const firewall = { root: 'KUBE-PROXY-FIREWALL', stem: 'KUBE-FWL-', match: '-d', levels: anywhere } as const;

type Verdict = 'REJECT' | 'DROP' | undefined;

/** No endpoint anywhere: say so (REJECT). Endpoints, but none that this node may use: another node answers (DROP). */
function verdict(choice: EndpointChoice, isLocalOnly: boolean): Verdict {
  if (!choice.any) return 'REJECT';
  return isLocalOnly && choice.local.length === 0 ? 'DROP' : undefined;
}

export function refusals(port: ServicePort, choice: EndpointChoice): SharedRule[] {
  const { protocol } = port;
  const to = (ip: string): string => `-d ${exactly(ip)} -p ${protocol} -m ${protocol} --dport ${port.port}`;
  const rules: SharedRule[] = [];
  const internal = verdict(choice, port.internalLocal);
  if (internal) rules.push(...placeAddress(inside, port.clusterIp, `${to(port.clusterIp)} -j ${internal}`));
  const external = isExternal(port) ? verdict(choice, port.externalLocal) : undefined;
  if (external) {
    for (const ip of [...port.externalIps, ...port.loadBalancerIps])
      rules.push(...placeAddress(outside, ip, `${to(ip)} -j ${external}`));
    if (port.nodePort !== 0) {
      const match = `-p ${protocol} -m ${protocol} --dport ${port.nodePort}`;
      rules.push(...placePort('KUBE-NODEPORTS-REFUSED', protocol, port.nodePort, `${match} -j ${external}`));
    }
  }
  if (choice.any && port.sourceRanges)
    for (const ip of port.loadBalancerIps) rules.push(...placeAddress(firewall, ip, `${to(ip)} -j DROP`));
  if (port.healthCheckNodePort !== 0)
    rules.push({ chain: 'KUBE-NODEPORTS', rule: `-p tcp -m tcp --dport ${port.healthCheckNodePort} -j ACCEPT` });
  return rules;
}
