// The address ranges of a configuration, and which address of them comes next.
import {
  type Address,
  type Cidr,
  contains,
  formatAddress,
  lastAddress,
  overlaps,
  parseAddress,
  parseCidr,
} from '../../host/cidr.ts';
import type { LeasedAddress, Range, RangeSet } from '../model.ts';
import { asFields, asList, type Fields, refuse, refuseUnknown, stringAt } from './fields.ts';

/** Ranges by the capability "ipRanges" replace those of the file: the runtime knows the node's pod CIDR, the file may not. */
export function parseRangeSets(ipam: Fields, runtime: Fields): readonly RangeSet[] {
  const handed = runtime['ipRanges'];
  const given = handed === undefined ? asList(ipam['ranges'], 'ipam.ranges') : asList(handed, 'runtimeConfig.ipRanges');
  const root = handed === undefined ? 'ipam.ranges' : 'runtimeConfig.ipRanges';
  if (given.length === 0) refuse(root, given, 'at least one list of ranges');
  const sets = given.map((set, at) => parseRangeSet(set, `${root}[${at}]`));
  refuseOverlaps(sets, root);
  return sets;
}

function parseRangeSet(value: unknown, path: string): RangeSet {
  const ranges = asList(value, path).map((range, at) =>
    parseRange(asFields(range, `${path}[${at}]`), `${path}[${at}]`),
  );
  const [first, ...rest] = ranges;
  if (!first) return refuse(path, value, 'at least one range');
  if (rest.some((range) => range.subnet.family !== first.subnet.family)) refuse(path, value, 'ranges of one family');
  return [first, ...rest];
}

function parseRange(range: Fields, path: string): Range {
  refuseUnknown(range, ['subnet', 'rangeStart', 'rangeEnd', 'gateway'], `${path}.`);
  const text = stringAt(range, 'subnet', `${path}.subnet`);
  const subnet = parseCidr(text ?? '') ?? refuse(`${path}.subnet`, text, 'a block such as "10.244.1.0/24"');
  // The first address names the subnet, IPv4's last one is its broadcast, and the gateway needs one: two bits at least.
  const end = lastAddress(subnet).bits - (subnet.family === 4 ? 1n : 0n);
  if (end - subnet.first < 2n) refuse(`${path}.subnet`, text, 'a block with room for a gateway and a container');
  const within = (key: string, otherwise: bigint): bigint => {
    const given = stringAt(range, key, `${path}.${key}`);
    const address = given === undefined ? { family: subnet.family, bits: otherwise } : parseAddress(given);
    const fits = address && contains(subnet, address) && address.bits > subnet.first && address.bits <= end;
    return fits ? address.bits : refuse(`${path}.${key}`, given, `a container address of "${text}"`);
  };
  const first = within('rangeStart', subnet.first + 1n);
  const last = within('rangeEnd', end);
  if (last < first) refuse(`${path}.rangeEnd`, range['rangeEnd'], 'an address not below rangeStart');
  return { subnet, first, last, gateway: within('gateway', subnet.first + 1n) };
}

function refuseOverlaps(sets: readonly RangeSet[], root: string): void {
  const seen: Range[] = [];
  for (const range of sets.flat()) {
    const clash = seen.find(
      (other) => overlaps(other.subnet, range.subnet) && other.first <= range.last && range.first <= other.last,
    );
    if (clash) refuse(root, textOf(range.subnet, range.first), 'ranges that do not overlap');
    seen.push(range);
  }
}

function textOf(subnet: Cidr, bits: bigint): string {
  return formatAddress({ family: subnet.family, bits });
}

/** Whether a container may hold the address: in a range, and not its gateway. */
export function mayHold(set: RangeSet, address: Address): boolean {
  return set.some((range) => contains(range.subnet, address) && isFree(range, address.bits));
}

function isFree(range: Range, bits: bigint): boolean {
  return bits >= range.first && bits <= range.last && bits !== range.gateway;
}

/**
 * The next free address of a set after `last`, around the end to the start: what was released last is used again last.
 * Undefined when all are taken. Looks at most one step further than there are taken addresses and gateways.
 */
export function nextAddress(set: RangeSet, taken: ReadonlySet<string>, last: string | undefined): string | undefined {
  const before = last === undefined ? undefined : parseAddress(last);
  const at = before
    ? set.findIndex(
        (range) => contains(range.subnet, before) && before.bits >= range.first && before.bits <= range.last,
      )
    : -1;
  const start = set[Math.max(at, 0)] ?? set[0];
  const around = [...set.slice(set.indexOf(start)), ...set.slice(0, set.indexOf(start))];
  const resume = at >= 0 && before ? before.bits + 1n : start.first;
  for (const range of around) {
    const found = firstFree(range, range === start ? resume : range.first, range.last, taken);
    if (found) return found;
  }
  return firstFree(start, start.first, resume - 1n, taken);
}

function firstFree(range: Range, from: bigint, to: bigint, taken: ReadonlySet<string>): string | undefined {
  for (let bits = from; bits <= to; bits++) {
    const text = textOf(range.subnet, bits);
    if (isFree(range, bits) && !taken.has(text)) return text;
  }
  return undefined;
}

/** A leased text with what its range adds. Undefined where no range holds it: the configuration has changed since. */
export function describeAddress(sets: readonly RangeSet[], text: string): LeasedAddress | undefined {
  const address = parseAddress(text);
  const range = address && sets.flat().find(({ subnet }) => contains(subnet, address));
  if (!range) return undefined;
  const { subnet, gateway } = range;
  return { family: subnet.family, address: text, prefix: subnet.prefix, gateway: textOf(subnet, gateway) };
}

/** The addresses that the bridge itself carries, "10.244.1.1/24". */
export function gatewayAddresses(sets: readonly RangeSet[]): readonly string[] {
  const all = sets.flat().map(({ subnet, gateway }) => `${textOf(subnet, gateway)}/${subnet.prefix}`);
  return [...new Set(all)];
}
