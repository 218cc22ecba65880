// One Service, thought through: its chains, its places in the dispatch trees, what is refused, and what others must know of it.
import type { EndpointSlice, Service } from '../../kube/types.ts';
import type { AffinitySet, CompiledService, Endpoint, Frontend, NodeFacts, ServicePort, SharedRule } from '../model.ts';
import { exactly } from './addresses.ts';
import { unmark } from './base.ts';
import { chooseEndpoints, type EndpointChoice, readEndpoints } from './endpoints.ts';
import { portChains } from './names.ts';
import { rangesHold } from './ranges.ts';
import { refusals } from './refusals.ts';
import { isExternal, readService } from './service-ports.ts';
import { affinityChains, type Chains, endpointRule, recallRules, spreadRules } from './spread.ts';
import { anywhere, nearby, placeAddress, placePort } from './tree.ts';

const dispatch = { root: 'KUBE-DISPATCH', stem: 'KUBE-VIP-', match: '-d', levels: anywhere } as const;
const hairpin = { root: 'KUBE-HAIRPIN', stem: 'KUBE-PIN-', match: '-s', levels: nearby } as const;

/** Everything that one Service means on this node in one family. */
export function compileService(service: Service, slices: readonly EndpointSlice[], facts: NodeFacts): CompiledService {
  const { ports, problems } = readService(service, facts.family);
  const own: Chains = new Map();
  const nat: SharedRule[] = [];
  const filter: SharedRule[] = [];
  const frontends: Frontend[] = [];
  const affinitySets: AffinitySet[] = [];
  const withoutLocal = new Set<'internal' | 'external'>();
  let localReady = new Set<string>();
  let endpointCount = 0;
  for (const port of ports) {
    const all = readEndpoints(slices, port, facts.family);
    const choice = chooseEndpoints(port, all, facts);
    endpointCount += all.length;
    if (choice.any) {
      affinitySets.push(...portRules(port, choice, facts, own));
      nat.push(...dispatchRules(port, choice), ...hairpinRules(choice, facts));
    }
    filter.push(...refusals(port, choice));
    frontends.push(...frontendsOf(port, all));
    for (const policy of policiesWithoutLocal(port, choice)) withoutLocal.add(policy);
    localReady = localReady.union(
      new Set(all.filter((one) => one.ready && one.nodeName === facts.nodeName).map(({ ip }) => ip)),
    );
  }
  const healthPort = ports[0]?.healthCheckNodePort ?? 0;
  return {
    rules: { nat: { own, shared: nat }, filter: { own: new Map(), shared: filter } },
    frontends,
    healthCheck: healthPort === 0 ? undefined : { port: healthPort, localEndpoints: localReady.size },
    affinitySets,
    endpointCount,
    withoutLocalEndpoints: [...withoutLocal],
    problems,
  };
}

/** The port's own chains, in the order in which they jump to each other, from the last to the first. */
function portRules(port: ServicePort, choice: EndpointChoice, facts: NodeFacts, own: Chains): AffinitySet[] {
  const names = portChains(port.key, port.protocol);
  const remembers = port.affinitySeconds > 0;
  const reachable = [...new Set([...choice.cluster, ...choice.local])];
  const sets = remembers ? affinityChains(port, reachable, facts, own) : [];
  const policyChain = (chain: string, endpoints: readonly Endpoint[]): void => {
    if (endpoints.length === 0) return;
    const recall = remembers ? recallRules(port, endpoints, facts) : [];
    const spread = spreadRules(port, chain, endpoints, endpointRule(port), own);
    own.set(chain, [...recall, ...spread]);
  };
  policyChain(names.cluster, choice.cluster);
  policyChain(names.local, choice.local);
  if (isExternal(port)) own.set(names.external, externalRules(port, choice, facts));
  if (port.loadBalancerIps.length > 0 && port.sourceRanges) own.set(names.firewall, firewallRules(port, facts));
  return sets;
}

function destination({ protocol, port }: ServicePort, ip: string): string {
  return `-d ${exactly(ip)} -p ${protocol} -m ${protocol} --dport ${port}`;
}

/** The entry for traffic from outside: nodePort, external addresses and load balancer addresses. */
function externalRules(port: ServicePort, choice: EndpointChoice, { detector, masqueradeBit }: NodeFacts): string[] {
  const { cluster, local } = portChains(port.key, port.protocol);
  if (!port.externalLocal) return choice.cluster.length > 0 ? ['-j KUBE-MARK-MASQ', `-j ${cluster}`] : [];
  const shortcuts =
    choice.cluster.length === 0
      ? []
      : [
          // Pods and processes of this node reach every endpoint: to them the outer address is just another name of the Service.
          ...(detector ? [`${detector.ifLocal} -j ${cluster}`] : []),
          '-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ',
          `-m addrtype --src-type LOCAL -j ${cluster}`,
        ];
  // The client's own address is what this policy promises: the mark of strangers goes.
  return [unmark(masqueradeBit), ...shortcuts, ...(choice.local.length > 0 ? [`-j ${local}`] : [])];
}

/** Only the ranges go on; what falls out still has the load balancer's address and meets KUBE-PROXY-FIREWALL. */
function firewallRules(port: ServicePort, { nodeIp }: NodeFacts): string[] {
  const { external } = portChains(port.key, port.protocol);
  const ranges = port.sourceRanges ?? [];
  const admitted = ranges.map((range) => `-s ${range} -j ${external}`);
  // The node's own traffic to a load balancer address may carry that address as its source.
  const self = nodeIp && rangesHold(ranges, nodeIp) ? port.loadBalancerIps : [];
  return [...admitted, ...self.map((ip) => `-s ${exactly(ip)} -j ${external}`)];
}

function dispatchRules(port: ServicePort, choice: EndpointChoice): SharedRule[] {
  const names = portChains(port.key, port.protocol);
  const comment = commentOf(port.key);
  const place = (ip: string, target: string): SharedRule[] =>
    placeAddress(dispatch, ip, `${destination(port, ip)}${comment} -j ${target}`);
  const rules: SharedRule[] = [];
  const inside = port.internalLocal ? choice.local : choice.cluster;
  if (inside.length > 0) rules.push(...place(port.clusterIp, port.internalLocal ? names.local : names.cluster));
  for (const ip of port.externalIps) rules.push(...place(ip, names.external));
  for (const ip of port.loadBalancerIps) rules.push(...place(ip, port.sourceRanges ? names.firewall : names.external));
  if (port.nodePort !== 0) {
    const match = `-p ${port.protocol} -m ${port.protocol} --dport ${port.nodePort}`;
    rules.push(...placePort('KUBE-NODEPORTS', port.protocol, port.nodePort, `${match}${comment} -j ${names.external}`));
  }
  return rules;
}

/** A reader of iptables-save wants the name; a name that is not one has no place in rule text. */
function commentOf(key: string): string {
  return /^[a-z0-9.-]+\/[a-z0-9.-]+(?::[a-z0-9-]+)?$/.test(key) && key.length <= 200
    ? ` -m comment --comment ${key}`
    : '';
}

/**
 * A pod that reaches itself through a Service would answer itself directly: give it the node's address. After DNAT such a packet has
 * one address as source and destination, so one line per local address serves all Services.
 */
function hairpinRules({ cluster, local }: EndpointChoice, { nodeName }: NodeFacts): SharedRule[] {
  const ips = new Set(
    [...cluster, ...local].filter((one) => (one.nodeName ?? nodeName) === nodeName).map(({ ip }) => ip),
  );
  return [...ips].flatMap((ip) =>
    placeAddress(hairpin, ip, `-s ${exactly(ip)} -d ${exactly(ip)} -j MASQUERADE --random-fully`),
  );
}

function frontendsOf(port: ServicePort, all: readonly Endpoint[]): Frontend[] {
  const endpointIps = new Set(all.filter((one) => one.serving).map(({ ip }) => ip));
  const addresses = [port.clusterIp, ...port.externalIps, ...port.loadBalancerIps];
  const { protocol } = port;
  const frontends: Frontend[] = addresses.map((ip) => ({ protocol, ip, port: port.port, endpointIps }));
  return port.nodePort === 0
    ? frontends
    : [...frontends, { protocol, ip: undefined, port: port.nodePort, endpointIps }];
}

function policiesWithoutLocal(port: ServicePort, { any, local }: EndpointChoice): ('internal' | 'external')[] {
  if (!any || local.length > 0) return [];
  return [
    ...(port.internalLocal ? (['internal'] as const) : []),
    ...(port.externalLocal && isExternal(port) ? (['external'] as const) : []),
  ];
}
