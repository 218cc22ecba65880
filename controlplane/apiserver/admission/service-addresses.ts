// Cluster addresses and node ports: what is taken is read from the stored services, so there is nothing to repair after a crash.
import { randomInt } from 'node:crypto';
import {
  addressAt,
  type Cidr,
  canonicalIp,
  contains,
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
  sizeOf,
} from '../../../host/cidr.ts';
import type { Parts, Request } from '../context.ts';
import { decodeEntry } from '../encoding.ts';
import { hasNodePorts } from '../kinds/service.ts';
import { type ApiObject, type Cause, type JsonObject, list, object as objectOf, text } from '../model.ts';
import { invalidValue } from '../rules/names.ts';
import { internal, invalid } from '../rules/status-error.ts';
import type { Reservation, Step } from './admission.ts';

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** "30000-32767". Throws a RangeError. */
export function parsePortRange(value: string): PortRange {
  const [, first, last] = /^(\d{1,5})-(\d{1,5})$/.exec(value) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (!(range.first >= 1 && range.first <= range.last && range.last <= 65_535)) {
    throw new RangeError(`Cannot read node port range "${value}": want "first-last" within 1-65535`);
  }
  return range;
}

/** The IPv4 block of a list of blocks, as services get their addresses from it. Throws a RangeError. */
export function parseServiceCidr(value: string): Cidr {
  const cidr = parseCidr(value.split(',')[0]?.trim() ?? '');
  if (!cidr) throw new RangeError(`Cannot read service CIDR "${value}"`);
  return cidr;
}

type Owners<K> = Map<K, string>;

const ownerOf = (object: ApiObject): string => `${object.metadata.namespace}/${object.metadata.name}`;

function addressesOf(spec: JsonObject): string[] {
  const ip = text(spec['clusterIP']);
  return ip === '' || ip === 'None' || spec['type'] === 'ExternalName' ? [] : [ip];
}

function portsOf(spec: JsonObject): number[] {
  const ports = list(spec['ports']).map((port) => Number(port['nodePort'] ?? 0));
  return [...ports, Number(spec['healthCheckNodePort'] ?? 0)].filter((port) => port > 0);
}

export function serviceAddresses(parts: Parts, cidr: Cidr, range: PortRange): Step {
  const kind = parts.kinds.find((one) => one.kind === 'Service');
  const addresses: Owners<string> = new Map();
  const ports: Owners<number> = new Map();
  let loading: Promise<void> | undefined;

  async function load(): Promise<void> {
    if (!kind) return;
    const { entries } = await parts.store.list(kind.prefix);
    for (const entry of entries) {
      const service = decodeEntry(kind, entry);
      const spec = objectOf(service['spec']);
      for (const ip of addressesOf(spec)) addresses.set(ip, ownerOf(service));
      for (const port of portsOf(spec)) ports.set(port, ownerOf(service));
    }
  }

  /** A random address of the upper part: the lower one is left to people who choose theirs. */
  function freeAddress(): string {
    const size = Number(sizeOf(cidr) > 1n << 20n ? 1n << 20n : sizeOf(cidr));
    const low = Math.min(Math.max(16, Math.floor(size / 16)), 256);
    const start = size > 2 * low ? low + randomInt(size - low - 1) : 1;
    for (let step = 0; step < size - 2; step++) {
      const offset = 1 + ((start - 1 + step) % (size - 2));
      const ip = formatAddress(addressAt(cidr, BigInt(offset)));
      if (!addresses.has(ip)) return ip;
    }
    throw internal('failed to allocate a serviceIP: range is full');
  }

  function freePort(): number {
    const count = range.last - range.first + 1;
    const start = randomInt(count);
    for (let step = 0; step < count; step++) {
      const port = range.first + ((start + step) % count);
      if (!ports.has(port)) return port;
    }
    throw internal('failed to allocate a nodePort: range is full');
  }

  function addressTrouble(ip: string, owner: string): Cause | undefined {
    const address = parseAddress(ip);
    const field = 'spec.clusterIPs';
    if (!address || canonicalIp(ip) !== ip)
      return invalidValue('spec.clusterIPs[0]', ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)');
    if (!contains(cidr, address)) {
      return invalidValue(
        field,
        [ip],
        `failed to allocate IP ${ip}: the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${formatCidr(cidr)}`,
      );
    }
    const holder = addresses.get(ip);
    return holder !== undefined && holder !== owner
      ? invalidValue(field, [ip], `failed to allocate IP ${ip}: provided IP is already allocated`)
      : undefined;
  }

  function takeAddress(spec: JsonObject, owner: string, causes: Cause[]): void {
    if (spec['type'] === 'ExternalName') return;
    Object.assign(spec, {
      ipFamilyPolicy: spec['ipFamilyPolicy'] ?? 'SingleStack',
      ipFamilies: spec['ipFamilies'] ?? [cidr.family === 4 ? 'IPv4' : 'IPv6'],
    });
    const listed = Array.isArray(spec['clusterIPs']) ? text(spec['clusterIPs'][0]) : '';
    const asked = text(spec['clusterIP']) || listed;
    const ip = asked === '' ? freeAddress() : asked;
    const trouble = ip === 'None' ? undefined : addressTrouble(ip, owner);
    if (trouble) causes.push(trouble);
    Object.assign(spec, { clusterIP: ip, clusterIPs: [ip] });
  }

  function portTrouble(port: number, path: string, owner: string): Cause | undefined {
    if (port < range.first || port > range.last) {
      return invalidValue(
        path,
        port,
        `provided port is not in the valid range. The range of valid ports is ${range.first}-${range.last}`,
      );
    }
    const holder = ports.get(port);
    return holder !== undefined && holder !== owner
      ? invalidValue(path, port, 'provided port is already allocated')
      : undefined;
  }

  function takePorts(spec: JsonObject, owner: string, causes: Cause[]): void {
    if (!hasNodePorts(spec)) return;
    const seen = new Map<string, number>();
    for (const [index, port] of list(spec['ports']).entries()) {
      const path = `spec.ports[${index}].nodePort`;
      // The same port over TCP and UDP may share its node port.
      const shared = seen.get(text(port['port']));
      const number = Number(port['nodePort'] ?? 0) || shared || freePort();
      const trouble = portTrouble(number, path, owner);
      if (trouble) causes.push(trouble);
      else ports.set(number, owner);
      port['nodePort'] = number;
      seen.set(text(port['port']), number);
    }
  }

  function takeHealthPort(spec: JsonObject, owner: string, causes: Cause[]): void {
    if (spec['type'] !== 'LoadBalancer' || spec['externalTrafficPolicy'] !== 'Local') return;
    const port = Number(spec['healthCheckNodePort'] ?? 0) || freePort();
    const trouble = portTrouble(port, 'spec.healthCheckNodePort', owner);
    if (trouble) causes.push(trouble);
    spec['healthCheckNodePort'] = port;
  }

  /** Drops what `owner` holds and is not in `kept`. */
  function settle(owner: string, kept: JsonObject | undefined): void {
    const ips = new Set(kept ? addressesOf(kept) : []);
    const numbers = new Set(kept ? portsOf(kept) : []);
    for (const [ip, holder] of addresses) if (holder === owner && !ips.has(ip)) addresses.delete(ip);
    for (const [port, holder] of ports) if (holder === owner && !numbers.has(port)) ports.delete(port);
    for (const ip of ips) addresses.set(ip, owner);
    for (const port of numbers) ports.set(port, owner);
  }

  async function reserve(
    { kind: of, name }: Request,
    service: ApiObject,
    old: ApiObject | undefined,
  ): Promise<Reservation | undefined> {
    if (of !== kind) return undefined;
    loading ??= load();
    await loading;
    const owner = ownerOf(service);
    const before = old && objectOf(old['spec']);
    const spec = objectOf(service['spec']);
    const causes: Cause[] = [];
    takeAddress(spec, owner, causes);
    for (const ip of causes.length > 0 ? [] : addressesOf(spec)) addresses.set(ip, owner);
    takePorts(spec, owner, causes);
    takeHealthPort(spec, owner, causes);
    if (causes.length > 0) {
      settle(owner, before);
      throw invalid(of, name, causes);
    }
    return { keep: () => settle(owner, spec), undo: () => settle(owner, before) };
  }

  return {
    reserve,
    removed: (of, object) => {
      if (of === kind) settle(ownerOf(object), undefined);
    },
  };
}
