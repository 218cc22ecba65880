// The flags of `nodelet up`: what they are, what they accept, and the values that follow from them.
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { parseCidr, sizeOf } from '../host/cidr.ts';

/** A flag that cannot be used; the message names it and what it accepts. */
export class FlagError extends Error {
  override readonly name = 'ConfigError';
}

/** Flags as they were typed. */
export interface UpFlags {
  readonly dataDir: string;
  readonly dockerHost?: string;
  readonly nodeName?: string;
  readonly nodeIp?: string;
  readonly apiPort?: string;
  readonly clusterCidr?: string;
  readonly serviceCidr?: string;
  readonly cniBinDir?: string;
  readonly cniConfDir?: string;
}

export const upFlagTable: readonly { flag: string; text: string; fallback?: string }[] = [
  { flag: '--data-dir <path>', text: 'where everything is kept', fallback: '/var/lib/nodelet' },
  {
    flag: '--docker-host <unix://path>',
    text: 'the Docker Engine to use',
    fallback: process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock',
  },
  { flag: '--node-name <name>', text: 'name of the node (default: the host name)' },
  { flag: '--node-ip <address>', text: 'address of the node (default: the one of the default route)' },
  { flag: '--api-port <port>', text: 'port of the API server', fallback: '6443' },
  { flag: '--cluster-cidr <cidr>', text: 'addresses of pods', fallback: '10.244.0.0/16' },
  { flag: '--service-cidr <cidr>', text: 'addresses of services', fallback: '10.96.0.0/16' },
  { flag: '--cni-bin-dir <path>', text: 'network plugins (default: <data-dir>/cni/bin)' },
  { flag: '--cni-conf-dir <path>', text: 'network configuration (default: <data-dir>/cni/net.d)' },
];

export interface UpConfig {
  readonly dataDir: string;
  readonly dockerSocket: string;
  readonly nodeName: string;
  /** Undefined: to be found from the default route. */
  readonly nodeIp: string | undefined;
  readonly apiPort: number;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly cniBinDir: string;
  readonly cniConfDir: string;
  /** Instances on one machine share its control groups: each has a tree of its own. */
  readonly cgroupRoot: string;
}

/** Checks every flag; throws `FlagError` for the first that cannot be used. */
export function parseUpFlags(flags: UpFlags): UpConfig {
  const dataDir = absolute('--data-dir', flags.dataDir);
  return Object.freeze({
    dataDir,
    dockerSocket: dockerSocket(flags.dockerHost ?? ''),
    nodeName: nodeName(flags.nodeName ?? hostname()),
    nodeIp: flags.nodeIp === undefined ? undefined : address('--node-ip', flags.nodeIp),
    apiPort: port('--api-port', flags.apiPort ?? '6443'),
    clusterCidr: range('--cluster-cidr', flags.clusterCidr ?? '10.244.0.0/16', 256n),
    serviceCidr: range('--service-cidr', flags.serviceCidr ?? '10.96.0.0/16', 16n),
    cniBinDir: flags.cniBinDir === undefined ? join(dataDir, 'cni/bin') : absolute('--cni-bin-dir', flags.cniBinDir),
    cgroupRoot: cgroupRootOf(dataDir),
    cniConfDir:
      flags.cniConfDir === undefined ? join(dataDir, 'cni/net.d') : absolute('--cni-conf-dir', flags.cniConfDir),
  });
}

/** The control group tree of the instance that keeps its state in `dataDir`. */
export function cgroupRootOf(dataDir: string): string {
  return `/nodelet-${createHash('sha256').update(dataDir).digest('hex').slice(0, 8)}`;
}

function refuse(flag: string, value: string, accepts: string): never {
  throw new FlagError(`${flag} "${value}" cannot be used: want ${accepts}`);
}

function absolute(flag: string, value: string): string {
  if (!isAbsolute(value) || value.includes('\0')) refuse(flag, value, 'an absolute path');
  const path = join(value);
  if (path === '/') refuse(flag, value, 'a directory of its own');
  return path.replace(/\/$/, '');
}

function dockerSocket(value: string): string {
  const match = /^unix:\/\/(\/.+)$/.exec(value);
  return (
    match?.[1] ?? refuse('--docker-host', value, 'unix:// and an absolute path: pods need the engine of this machine')
  );
}

function nodeName(value: string): string {
  const name = value.trim().toLowerCase();
  if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name))
    refuse('--node-name', value, 'a DNS name: lower-case letters, digits, "-" and "."');
  return name;
}

function address(flag: string, value: string): string {
  return isIP(value) === 4 ? value : refuse(flag, value, 'an IPv4 address of this machine');
}

function port(flag: string, value: string): number {
  return /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65535
    ? Number(value)
    : refuse(flag, value, 'a port, 1 to 65535');
}

function range(flag: string, value: string, atLeast: bigint): string {
  const cidr = parseCidr(value);
  if (cidr?.family !== 4 || sizeOf(cidr) < atLeast)
    refuse(flag, value, `an IPv4 range of at least ${atLeast} addresses, such as 10.96.0.0/16`);
  return value;
}
