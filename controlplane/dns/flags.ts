// The flags of `nodelet dns`, parsed once into a frozen configuration.
import { isAbsolute } from 'node:path';
import { parseArgs } from 'node:util';
import { type Cidr, canonicalIp } from '../../host/cidr.ts';
import { parseNetworks, privateNetworks } from './rules/clients.ts';

export { privateNetworks };

/** A flag that cannot be used; the message names it, what was given and what is accepted. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export interface DnsConfig {
  readonly kubeconfig: string;
  /** "cluster.local" */
  readonly domain: string;
  /** An address of this machine that pods of every node reach. */
  readonly address: string;
  readonly port: number;
  /** The Service's address, where it has to be made; undefined: the API server chooses. */
  readonly clusterIp: string | undefined;
  readonly nodeName: string | undefined;
  /** Names the resolvers for everything outside the cluster; "" for none. */
  readonly resolvConf: string;
  /** Whose questions are heard. */
  readonly networks: readonly Cidr[];
}

const flags = {
  kubeconfig: { type: 'string' },
  'cluster-domain': { type: 'string', default: 'cluster.local' },
  'cluster-dns': { type: 'string' },
  'bind-address': { type: 'string' },
  port: { type: 'string', default: '10053' },
  'node-name': { type: 'string' },
  'resolv-conf': { type: 'string', default: '/etc/resolv.conf' },
  'allow-from': { type: 'string', default: privateNetworks },
} as const;

/** Throws `ConfigError` for the first flag that cannot be used. */
export function parseDnsConfig(args: readonly string[]): DnsConfig {
  const given = read(args);
  return Object.freeze({
    kubeconfig: path('--kubeconfig', given.kubeconfig ?? ''),
    domain: domain('--cluster-domain', given['cluster-domain']),
    address: address('--bind-address', given['bind-address'] ?? ''),
    port: port('--port', given.port),
    clusterIp: given['cluster-dns'] === undefined ? undefined : address('--cluster-dns', given['cluster-dns']),
    nodeName: given['node-name'],
    resolvConf: given['resolv-conf'] === '' ? '' : path('--resolv-conf', given['resolv-conf']),
    networks: networks('--allow-from', given['allow-from']),
  });
}

function read(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    const words = cause instanceof Error ? cause.message.split('. ')[0] : String(cause);
    const accepted = Object.keys(flags).map((name) => `--${name}`);
    throw new ConfigError(`${words}: want ${accepted.join(', ')}`, { cause });
  }
}

function refuse(flag: string, value: string, accepts: string): never {
  throw new ConfigError(`${flag} "${value}" cannot be used: want ${accepts}`);
}

function path(flag: string, value: string): string {
  return isAbsolute(value) ? value : refuse(flag, value, 'an absolute path');
}

function domain(flag: string, value: string): string {
  const name = value.toLowerCase().replace(/\.$/, '');
  const label = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';
  const isName = name.length <= 200 && new RegExp(`^${label}(\\.${label})*$`).test(name);
  return isName ? name : refuse(flag, value, 'a DNS name such as cluster.local');
}

function address(flag: string, value: string): string {
  const ip = canonicalIp(value);
  const isAny = ip === '0.0.0.0' || ip === '::';
  return ip === undefined || isAny ? refuse(flag, value, 'one IP address, not a wildcard') : ip;
}

function networks(flag: string, value: string): Cidr[] {
  return parseNetworks(value) ?? refuse(flag, value, 'ranges with "," between, such as 10.0.0.0/8,fd00::/8');
}

function port(flag: string, value: string): number {
  const isPort = /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65535;
  return isPort ? Number(value) : refuse(flag, value, 'a port, 1 to 65535');
}
