// The text of a pod's resolv.conf: the node's, the cluster's, the pod's own words, within the resolver's limits.
import type { Pod } from '../../../kube/types.ts';

export interface Resolver {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

export interface ClusterDns {
  readonly domain: string;
  readonly servers: readonly string[];
  /** The node's own resolver. */
  readonly node: Resolver;
}

export interface PodResolver extends Resolver {
  /** Events that a user should see. */
  readonly warnings: readonly { readonly reason: string; readonly message: string }[];
}

const nothing: Resolver = { nameservers: [], searches: [], options: [] };
const most = { nameservers: 3, searches: 32, searchCharacters: 2048, domainCharacters: 253 };

/** A value that goes into a line of its own; static pods are not validated by an API server. */
export function oneLine(text: string): string {
  if (/[\0-\x1f\x7f]/.test(text))
    throw new Error(`invalid value ${JSON.stringify(text)}: must not contain control characters`);
  return text;
}

/** Reads a resolv.conf: the last search line wins. */
export function parseResolvConf(text: string): Resolver {
  let searches: string[] = [];
  const nameservers: string[] = [];
  const options: string[] = [];
  for (const line of text.split('\n')) {
    if (/^\s*[#;]/.test(line)) continue;
    const [keyword, ...fields] = line.trim().split(/\s+/);
    if (keyword === 'nameserver' && fields[0]) nameservers.push(fields[0]);
    if (keyword === 'search')
      searches = fields.map((field) => field.replace(/\.$/, '')).filter((field) => field !== '');
    if (keyword === 'options') options.push(...fields);
  }
  return { nameservers, searches, options: byName(options) };
}

/** One option per name, the later one's value. */
function byName(options: readonly string[]): string[] {
  const named = new Map(options.map((option) => [option.split(':')[0], option]));
  return [...named.values()];
}

const unique = (values: readonly string[]): string[] => [...new Set(values)];

function base(pod: Pod, cluster: ClusterDns): PodResolver {
  const { dnsPolicy = 'ClusterFirst', hostNetwork = false } = pod.spec;
  if (dnsPolicy === 'None') return { ...nothing, warnings: [] };
  const wantsCluster = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy !== 'Default' && !hostNetwork);
  if (!wantsCluster) return { ...cluster.node, warnings: [] };
  if (cluster.servers.length === 0) {
    const message =
      `pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})". kubelet does not have ClusterDNS IP configured ` +
      `and cannot create Pod using "${dnsPolicy}" policy. Falling back to "Default" policy.`;
    return { ...cluster.node, warnings: [{ reason: 'MissingClusterDNS', message }] };
  }
  const own = cluster.domain
    ? [`${pod.metadata.namespace}.svc.${cluster.domain}`, `svc.${cluster.domain}`, cluster.domain]
    : [];
  const searches = unique([...own, ...cluster.node.searches]);
  return { nameservers: cluster.servers, searches, options: ['ndots:5'], warnings: [] };
}

/** What the pod resolves with. */
export function resolverOf(pod: Pod, cluster: ClusterDns): PodResolver {
  const { warnings, ...policy } = base(pod, cluster);
  const { nameservers = [], searches = [], options = [] } = pod.spec.dnsConfig ?? {};
  const own = options.map(({ name = '', value }) => (value ? `${name}:${value}` : name));
  return limited(
    {
      nameservers: unique([...policy.nameservers, ...nameservers]),
      searches: unique([...policy.searches, ...searches.map((search) => search.replace(/(.)\.$/, '$1'))]),
      options: byName([...policy.options, ...own]),
    },
    warnings,
  );
}

function limited(wanted: Resolver, earlier: PodResolver['warnings']): PodResolver {
  const warnings = [...earlier];
  const nameservers = wanted.nameservers.slice(0, most.nameservers);
  const searches = wanted.searches.filter((search) => search.length <= most.domainCharacters).slice(0, most.searches);
  while (searches.join(' ').length > most.searchCharacters) searches.pop();
  if (searches.length < wanted.searches.length) {
    const message = `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${searches.join(' ')}`;
    warnings.push({ reason: 'DNSConfigForming', message });
  }
  if (nameservers.length < wanted.nameservers.length) {
    const message = `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${nameservers.join(' ')}`;
    warnings.push({ reason: 'DNSConfigForming', message });
  }
  return { nameservers, searches, options: wanted.options, warnings };
}

/** The file. Throws on a value that would be two lines. */
export function renderResolvConf({ nameservers, searches, options }: Resolver): string {
  const lines = nameservers.map((server) => `nameserver ${oneLine(server)}`);
  if (searches.length > 0) lines.push(`search ${searches.map(oneLine).join(' ')}`);
  if (options.length > 0) lines.push(`options ${options.map(oneLine).join(' ')}`);
  return lines.map((line) => `${line}\n`).join('');
}
