// Random choice among endpoints, and sticking to the choice for clients that a Service remembers.
import type { AffinitySet, Endpoint, NodeFacts, ServicePort } from '../model.ts';
import { hostPort } from './addresses.ts';
import { endpointChain, shareChain } from './names.ts';

/** Chains by name, in the order in which they must come to be. */
export type Chains = Map<string, readonly string[]>;

const longestList = 32;

function dnat({ protocol }: ServicePort, { ip, port }: Endpoint): string {
  return `-p ${protocol} -m ${protocol} -j DNAT --to-destination ${hostPort(ip, port)}`;
}

/** One in what is left, so that each of `targets` is equally likely; the last takes what remains. */
function oneOf(targets: readonly { readonly weight: number; readonly rule: string }[]): string[] {
  let left = targets.reduce((sum, { weight }) => sum + weight, 0);
  return targets.map(({ weight, rule }, at) => {
    const probability = (weight / left).toFixed(10);
    left -= weight;
    return at === targets.length - 1 ? rule : `-m statistic --mode random --probability ${probability} ${rule}`;
  });
}

/**
 * The rules at the end of `chain` that pick one of `endpoints`. A long list is cut into shares with a chain each, so that a connection
 * walks two lists of about the root of their number instead of one.
 */
export function spreadRules(
  port: ServicePort,
  chain: string,
  endpoints: readonly Endpoint[],
  rule: (endpoint: Endpoint) => string,
  chains: Chains,
): string[] {
  const pick = (some: readonly Endpoint[]): string[] => oneOf(some.map((one) => ({ weight: 1, rule: rule(one) })));
  if (endpoints.length <= longestList) return pick(endpoints);
  const size = Math.max(longestList, Math.ceil(Math.sqrt(endpoints.length)));
  const shares = Array.from({ length: Math.ceil(endpoints.length / size) }, (_, at) =>
    endpoints.slice(at * size, (at + 1) * size),
  );
  const jumps = shares.map((share, at) => {
    const name = shareChain(chain, at);
    chains.set(name, pick(share));
    return { weight: share.length, rule: `-p ${port.protocol} -j ${name}` };
  });
  return oneOf(jumps);
}

/** How one endpoint is reached: DNAT at once, or through a chain that remembers the client first. */
export function endpointRule(port: ServicePort): (endpoint: Endpoint) => string {
  if (port.affinitySeconds === 0) return (endpoint) => dnat(port, endpoint);
  return (endpoint) => `-j ${chainOf(port, endpoint)}`;
}

function chainOf(port: ServicePort, { ip, port: number }: Endpoint): string {
  return endpointChain(port.key, port.protocol, hostPort(ip, number));
}

/** The chains of remembered endpoints, and the sets in which ipset keeps their clients. */
export function affinityChains(
  port: ServicePort,
  endpoints: readonly Endpoint[],
  { affinity }: NodeFacts,
  chains: Chains,
): AffinitySet[] {
  for (const endpoint of endpoints) {
    const name = chainOf(port, endpoint);
    const remember =
      affinity === 'recent'
        ? `-m recent --name ${name} --set`
        : `-j SET --add-set ${name} src --exist --timeout ${port.affinitySeconds}`;
    const rules = affinity === 'recent' ? [`${remember} ${dnat(port, endpoint)}`] : [remember, dnat(port, endpoint)];
    chains.set(name, rules);
  }
  if (affinity === 'recent') return [];
  return endpoints.map((endpoint) => ({ name: chainOf(port, endpoint), seconds: port.affinitySeconds }));
}

/** Sends clients that come again to the endpoint that they had. */
export function recallRules(port: ServicePort, endpoints: readonly Endpoint[], { affinity }: NodeFacts): string[] {
  return endpoints.map((endpoint) => {
    const name = chainOf(port, endpoint);
    return affinity === 'recent'
      ? `-m recent --name ${name} --rcheck --seconds ${port.affinitySeconds} --reap -j ${name}`
      : `-m set --match-set ${name} src -j ${name}`;
  });
}
