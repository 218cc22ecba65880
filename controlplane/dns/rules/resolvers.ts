// The resolvers of the host: whom to ask for names outside the cluster.
import { canonicalIp } from '../../../host/cidr.ts';

const atMost = 3;

/** The first three nameservers of a resolv.conf, without `ourselves`: a question must not come back to us. */
export function resolversOf(resolvConf: string, ourselves: readonly string[]): string[] {
  const servers = resolvConf
    .split('\n')
    .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1])
    .flatMap((text) => (text === undefined ? [] : (canonicalIp(text) ?? [])));
  return [...new Set(servers)].filter((ip) => !ourselves.includes(ip)).slice(0, atMost);
}
