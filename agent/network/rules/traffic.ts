// The iptables rules of pod traffic as text: forwarding, leaving the cluster, and ports of the host that lead to pods.
import { isIPv6 } from 'node:net';
import { contains, parseCidr } from '../../../host/cidr.ts';

export type IpFamily = 4 | 6;
export type Table = 'filter' | 'nat';

export const CHAINS = {
  forward: 'NODELET-FORWARD',
  masquerade: 'NODELET-MASQUERADE',
  hostPorts: 'NODELET-HOSTPORTS',
} as const;

/** A port of the node that leads to one of a pod. */
export interface HostPort {
  /** "namespace/name", for the comment. */
  readonly pod: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Empty: all addresses of the node. */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly podIp: string;
  readonly containerPort: number;
}

export interface PodTraffic {
  /** The node's own share: its pods leave the cluster under the node's address. */
  readonly podCidrs: readonly string[];
  /** All pods of all nodes: forwarded, and never translated among each other. */
  readonly clusterCidrs: readonly string[];
  readonly hostPorts: readonly HostPort[];
}

export interface Chain {
  readonly table: Table;
  readonly name: string;
  /** In iptables-save's words, without "-A chain". */
  readonly rules: readonly string[];
  /** Built-in chains that lead here. */
  readonly from: readonly { readonly chain: string; readonly match: readonly string[] }[];
}

/** The chains of one family. None where the cluster does not speak it. */
export function trafficChains({ podCidrs, clusterCidrs, hostPorts }: PodTraffic, family: IpFamily): readonly Chain[] {
  const ofFamily = (text: string): boolean => isIPv6(text.split('/')[0] ?? '') === (family === 6);
  const pods = podCidrs.filter(ofFamily);
  const all = clusterCidrs.filter(ofFamily);
  const cluster = [...all, ...pods.filter((cidr) => !all.some((wide) => isWithin(cidr, wide)))];
  const ports = hostPorts.filter(({ podIp, hostIp }) => ofFamily(podIp) && (hostIp === '' || ofFamily(hostIp)));
  if (cluster.length === 0) return [];
  return [forwardChain(cluster), masqueradeChain(pods, cluster, ports, family), hostPortChain(ports)];
}

/** Docker's policy for FORWARD is DROP. Appended: what drops or rejects for cause, kube-proxy's chains among it, is asked first. */
function forwardChain(cluster: readonly string[]): Chain {
  return {
    table: 'filter',
    name: CHAINS.forward,
    rules: cluster.flatMap((cidr) => [
      `-s ${cidr} ${comment('nodelet: pods may send')} -j ACCEPT`,
      `-d ${cidr} ${comment('nodelet: pods may be reached')} -j ACCEPT`,
    ]),
    from: [{ chain: 'FORWARD', match: [] }],
  };
}

function masqueradeChain(
  pods: readonly string[],
  cluster: readonly string[],
  ports: readonly HostPort[],
  family: IpFamily,
): Chain {
  const masquerade = '-j MASQUERADE --random-fully';
  const loopback = family === 4 ? '127.0.0.0/8' : '::1/128';
  const local = ports.length === 0 ? [] : pods;
  return {
    table: 'nat',
    name: CHAINS.masquerade,
    rules: [
      // Answers must come back through the node, which has to undo the change of the destination.
      ...ports.map(({ pod, podIp, protocol, containerPort }) => {
        const ip = host(podIp);
        const to = `-s ${ip} -d ${ip} -p ${protocol} -m ${protocol} --dport ${containerPort}`;
        return `${to} ${comment(`nodelet: ${pod} reaches its own host port`)} ${masquerade}`;
      }),
      ...local.map((cidr) => `-s ${loopback} -d ${cidr} ${comment('nodelet: host port on loopback')} ${masquerade}`),
      ...cluster.map((cidr) => `-d ${cidr} ${comment('nodelet: pods see the true source')} -j RETURN`),
      ...pods.map((cidr) => `-s ${cidr} ${comment('nodelet: pods leave the cluster as the node')} ${masquerade}`),
    ],
    from: [{ chain: 'POSTROUTING', match: [] }],
  };
}

/** Only for the node's own addresses, and after services: a host port must take no traffic that is meant for others (CVE-2019-9946). */
function hostPortChain(ports: readonly HostPort[]): Chain {
  // One address before all addresses: the narrower wish wins.
  const sorted = [...ports.filter(({ hostIp }) => !isAny(hostIp)), ...ports.filter(({ hostIp }) => isAny(hostIp))];
  const match = ['-m', 'addrtype', '--dst-type', 'LOCAL'];
  return {
    table: 'nat',
    name: CHAINS.hostPorts,
    rules: sorted.map(({ pod, protocol, hostIp, hostPort, podIp, containerPort }) => {
      const on = isAny(hostIp) ? '' : `-d ${host(hostIp)} `;
      const to = isIPv6(podIp) ? `[${podIp}]:${containerPort}` : `${podIp}:${containerPort}`;
      const what = comment(`nodelet: host port of ${pod}`);
      return `${on}-p ${protocol} -m ${protocol} --dport ${hostPort} ${what} -j DNAT --to-destination ${to}`;
    }),
    // Without ports the chain stays, empty, and no packet of the node has to look at it.
    from: ports.length === 0 ? [] : ['PREROUTING', 'OUTPUT'].map((chain) => ({ chain, match })),
  };
}

/** Text for iptables-restore --noflush: our chains anew, and of the built-in ones only the jumps that are missing. */
export function renderChains(
  chains: readonly Chain[],
  isMissing: (chain: Chain, from: string) => boolean = () => false,
): string {
  const tables: readonly Table[] = ['filter', 'nat'];
  return tables
    .map((table) => ({ table, of: chains.filter((chain) => chain.table === table) }))
    .filter(({ of }) => of.length > 0)
    .flatMap(({ table, of }) => [
      `*${table}`,
      ...of.map(({ name }) => `:${name} - [0:0]`),
      ...of.flatMap(({ name, rules }) => rules.map((rule) => `-A ${name} ${rule}`)),
      ...of.flatMap((chain) =>
        chain.from
          .filter(({ chain: from }) => isMissing(chain, from))
          .map(({ chain: from, match }) => `-A ${from} ${jump(chain.name, match).join(' ')}`),
      ),
      'COMMIT',
    ])
    .map((line) => `${line}\n`)
    .join('');
}

/** The rule of a built-in chain that leads to ours. Its comment is one word: the same text serves as an argument and in a restore. */
export function jump(name: string, match: readonly string[]): readonly string[] {
  return [...match, '-m', 'comment', '--comment', 'nodelet:pod-traffic', '-j', name];
}

/** Whether a chain, listed as "-A …" lines, leads to ours. */
export function hasJump(listed: readonly string[] | undefined, name: string): boolean {
  return listed?.some((rule) => rule.endsWith(`-j ${name}`)) ?? false;
}

function isWithin(narrow: string, wide: string): boolean {
  const [inner, outer] = [parseCidr(narrow), parseCidr(wide)];
  if (!inner || !outer) return false;
  return inner.prefix >= outer.prefix && contains(outer, { family: inner.family, bits: inner.first });
}

function isAny(hostIp: string): boolean {
  return hostIp === '' || hostIp === '0.0.0.0' || hostIp === '::';
}

function host(ip: string): string {
  return isIPv6(ip) ? `${ip}/128` : `${ip}/32`;
}

/** Names come from pods: only what cannot end a word or a line gets in. */
function comment(text: string): string {
  return `-m comment --comment "${text.replace(/[^A-Za-z0-9 .,:/_-]/g, '_').slice(0, 250)}"`;
}
