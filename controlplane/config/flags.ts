// The flags of `nodelet controlplane`, parsed once into a frozen configuration.
import { networkInterfaces } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type Address,
  addressAt,
  type Cidr,
  formatAddress,
  overlaps,
  parseAddress,
  parseCidr,
  sizeOf,
} from '../../host/cidr.ts';

/** A flag that cannot be used; the message names it, what was given and what is accepted. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export interface ControlPlaneConfig {
  /** Store and certificates live in `<dataDir>/controlplane` and `<dataDir>/pki`, the administrator's kubeconfig beside them. */
  readonly dataDir: string;
  /** Where the API server listens. */
  readonly bindAddress: string;
  /** The address that others reach it by: in its certificate, in kubeconfigs, and behind the service "kubernetes". */
  readonly advertiseAddress: string;
  readonly port: number;
  /** The first is the primary family's. */
  readonly serviceCidrs: readonly Cidr[];
  readonly clusterBlocks: readonly { readonly cidr: Cidr; readonly nodePrefix: number }[];
  readonly nodePorts: { readonly first: number; readonly last: number };
  readonly serviceAccountIssuer: string;
  /** Further names and addresses for the serving certificate. */
  readonly extraNames: readonly string[];
  readonly nodeGraceMs: number;
  /** Parts that somebody else runs. */
  readonly disabled: ReadonlySet<'scheduler' | 'controllers'>;
}

const flags = {
  'data-dir': { type: 'string', default: '/var/lib/nodelet' },
  'bind-address': { type: 'string', default: '0.0.0.0' },
  'advertise-address': { type: 'string' },
  'secure-port': { type: 'string' },
  'api-port': { type: 'string' },
  'service-cidr': { type: 'string' },
  'service-cluster-ip-range': { type: 'string' },
  'cluster-cidr': { type: 'string', default: '10.244.0.0/16' },
  'node-cidr-mask-size': { type: 'string' },
  'service-node-port-range': { type: 'string', default: '30000-32767' },
  'service-account-issuer': { type: 'string', default: 'https://kubernetes.default.svc.cluster.local' },
  'tls-san': { type: 'string', multiple: true, default: [] as string[] },
  'node-monitor-grace-period': { type: 'string', default: '50s' },
  disable: { type: 'string', multiple: true, default: [] as string[] },
} as const;

/** Reads the flags; `localAddress` stands for `--advertise-address` where it is not given. Throws `ConfigError`. */
export function parseControlPlaneConfig(
  args: readonly string[],
  localAddress = firstLocalAddress(),
): ControlPlaneConfig {
  const given = read(args);
  const bindAddress = address('--bind-address', given['bind-address']);
  const own = bindAddress === '0.0.0.0' || bindAddress === '::' ? localAddress : bindAddress;
  const serviceText = given['service-cluster-ip-range'] ?? given['service-cidr'] ?? '10.96.0.0/16';
  const serviceCidrs = ranges('--service-cidr', serviceText, 16n);
  const clusterBlocks = ranges('--cluster-cidr', given['cluster-cidr'], 16n).map((cidr) => ({
    cidr,
    nodePrefix: nodePrefix(cidr, given['node-cidr-mask-size']),
  }));
  const clash = clusterBlocks.find(({ cidr }) => serviceCidrs.some((one) => overlaps(one, cidr)));
  if (clash) refuse('--cluster-cidr', given['cluster-cidr'], `a range apart from --service-cidr ${serviceText}`);
  const advertiseAddress = address('--advertise-address', given['advertise-address'] ?? own ?? '127.0.0.1');
  return Object.freeze({
    dataDir: directory('--data-dir', given['data-dir']),
    bindAddress,
    advertiseAddress,
    port:
      given['api-port'] === undefined
        ? port('--secure-port', given['secure-port'] ?? '6443')
        : port('--api-port', given['api-port']),
    serviceCidrs,
    clusterBlocks,
    nodePorts: portRange('--service-node-port-range', given['service-node-port-range']),
    serviceAccountIssuer: issuer('--service-account-issuer', given['service-account-issuer']),
    extraNames: given['tls-san'].map((name) => hostName('--tls-san', name)),
    nodeGraceMs: duration('--node-monitor-grace-period', given['node-monitor-grace-period']),
    disabled: new Set(given.disable.flatMap((text) => text.split(',')).map(part)),
  });
}

/** An address of this machine that others can reach; undefined where it has none. */
function firstLocalAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

/** The first address of the service range: the API server's own service. */
export function kubernetesServiceIp({ serviceCidrs }: Pick<ControlPlaneConfig, 'serviceCidrs'>): string {
  const [primary] = serviceCidrs;
  if (!primary) throw new ConfigError('--service-cidr "" cannot be used: want a range such as 10.96.0.0/16');
  return formatAddress(addressAt(primary, 1n));
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

function directory(flag: string, value: string): string {
  return isAbsolute(value) && join(value) !== '/'
    ? join(value).replace(/\/$/, '')
    : refuse(flag, value, 'an absolute path');
}

function address(flag: string, value: string): string {
  const found: Address | undefined = parseAddress(value);
  return found ? formatAddress(found) : refuse(flag, value, 'an IP address of this machine');
}

function port(flag: string, value: string): number {
  const number = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  return number >= 0 && number <= 65535 ? number : refuse(flag, value, 'a port, 1 to 65535, or 0 for any free one');
}

function portRange(flag: string, value: string): { first: number; last: number } {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(value);
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  return first >= 1 && first <= last && last <= 65535
    ? { first, last }
    : refuse(flag, value, 'two ports with "-" between, such as 30000-32767');
}

/** One range, or one of each family. */
function ranges(flag: string, value: string, atLeast: bigint): Cidr[] {
  const accepts = `one range of at least ${atLeast} addresses, such as 10.96.0.0/16, or one of each family with "," between`;
  const found = value.split(',').map((text) => parseCidr(text.trim()) ?? refuse(flag, value, accepts));
  const twice = found.length === 2 && found[0]?.family === found[1]?.family;
  if (found.length > 2 || twice || found.some((one) => sizeOf(one) < atLeast)) refuse(flag, value, accepts);
  return found;
}

function nodePrefix({ family, prefix }: Cidr, text: string | undefined): number {
  const usual = family === 4 ? 24 : 64;
  const chosen = text !== undefined && family === 4 ? Number(text) : Math.max(usual, prefix);
  const most = family === 4 ? 30 : 126;
  const fits = Number.isInteger(chosen) && chosen >= prefix && chosen <= most;
  return fits ? chosen : refuse('--node-cidr-mask-size', text ?? '', `a number from ${prefix} to ${most}`);
}

function issuer(flag: string, value: string): string {
  return URL.canParse(value) && value.startsWith('https://') ? value : refuse(flag, value, 'an https:// URL');
}

function hostName(flag: string, value: string): string {
  const shape = /^[a-z0-9*]([-a-z0-9.]{0,251}[a-z0-9])?$/i;
  return parseAddress(value) || shape.test(value) ? value : refuse(flag, value, 'a host name or an address');
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function duration(flag: string, value: string): number {
  const parts = [...value.matchAll(/(\d+)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([text]) => text).join('') !== value)
    refuse(flag, value, 'a time such as 50s or 1m30s');
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0);
}

function part(name: string): 'scheduler' | 'controllers' {
  return name === 'scheduler' || name === 'controllers' ? name : refuse('--disable', name, 'scheduler or controllers');
}
