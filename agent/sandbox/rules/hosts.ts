// The text of a pod's /etc/hosts.
import type { Pod } from '../../../kube/types.ts';
import { oneLine } from './dns.ts';
import type { Hostname } from './hostname.ts';

const fixed = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'fe00::0\tip6-mcastprefix',
  'fe00::1\tip6-allnodes',
  'fe00::2\tip6-allrouters',
];

function aliasLines(pod: Pod): string[] {
  const { hostAliases = [] } = pod.spec;
  if (hostAliases.length === 0) return [];
  const lines = hostAliases.map(({ ip, hostnames = [] }) => [ip, ...hostnames].map(oneLine).join('\t'));
  return ['', '# Entries added by HostAliases.', ...lines];
}

/** For a pod with addresses of its own. Throws on a record that would be two. */
export function hostsFile(pod: Pod, ips: readonly string[], { hostname, fqdn }: Hostname): string {
  const own = ips.map((ip) => (fqdn ? `${ip}\t${fqdn}\t${hostname}` : `${ip}\t${hostname}`));
  return `${['# Kubernetes-managed hosts file.', ...fixed, ...own, ...aliasLines(pod)].join('\n')}\n`;
}

/** For a pod in the node's network: the node's own file and the pod's aliases. */
export function hostNetworkHostsFile(pod: Pod, nodeHosts: string): string {
  const body = nodeHosts.endsWith('\n') || nodeHosts === '' ? nodeHosts : `${nodeHosts}\n`;
  const aliases = aliasLines(pod);
  return `# Kubernetes-managed hosts file (host network).\n${body}${aliases.length > 0 ? `${aliases.join('\n')}\n` : ''}`;
}
