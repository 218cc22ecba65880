// IP addresses and CIDR blocks as numbers. Pure; addresses are read strictly (no leading zeros) and written canonically (RFC 5952).
import { isIP } from 'node:net';

export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  readonly bits: bigint;
}

export interface Cidr {
  readonly family: Family;
  /** The first address, host bits cleared. */
  readonly first: bigint;
  readonly prefix: number;
}

const widthOf = (family: Family): number => (family === 4 ? 32 : 128);

/** Reads an address; undefined where `text` is none. No zone ("%eth0"). */
export function parseAddress(text: string): Address | undefined {
  const family = text.includes('%') ? 0 : isIP(text);
  if (family === 4) return { family: 4, bits: parseV4(text) };
  if (family === 6) return { family: 6, bits: parseV6(text) };
  return undefined;
}

function parseV4(text: string): bigint {
  return text.split('.').reduce((bits, octet) => (bits << 8n) | BigInt(octet), 0n);
}

function parseV6(text: string): bigint {
  const dotted = text.lastIndexOf(':') + 1;
  const v4 = text.includes('.') ? parseV4(text.slice(dotted)) : undefined;
  const plain =
    v4 === undefined ? text : `${text.slice(0, dotted)}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`;
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right];
  return groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}

/** "10.0.0.1" or "2001:db8::1". An IPv4-mapped IPv6 address stays IPv6, in hexadecimal groups. */
export function formatAddress({ family, bits }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, at) => ((bits >> BigInt(112 - 16 * at)) & 0xffffn).toString(16));
  const run = longestZeroRun(groups);
  if (run.length < 2) return groups.join(':');
  return `${groups.slice(0, run.at).join(':')}::${groups.slice(run.at + run.length).join(':')}`;
}

function longestZeroRun(groups: readonly string[]): { at: number; length: number } {
  let best = { at: 0, length: 0 };
  for (let at = 0; at < groups.length; at++) {
    let end = at;
    while (groups[end] === '0') end++;
    if (end - at > best.length) best = { at, length: end - at };
    if (end > at) at = end;
  }
  return best;
}

/** The canonical text of an address, undefined where `text` is none. */
export function canonicalIp(text: string): string | undefined {
  const address = parseAddress(text);
  return address && formatAddress(address);
}

/** Reads "10.244.0.0/16"; host bits are cleared. Undefined where `text` is none. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const address = match?.[1] === undefined ? undefined : parseAddress(match[1]);
  const prefix = Number(match?.[2]);
  if (!address || prefix > widthOf(address.family)) return undefined;
  return block(address, prefix);
}

/** The block of `prefix` bits that holds an address. */
export function block(address: Address, prefix: number): Cidr {
  const hostBits = BigInt(widthOf(address.family) - prefix);
  return { family: address.family, first: (address.bits >> hostBits) << hostBits, prefix };
}

export function formatCidr({ family, first, prefix }: Cidr): string {
  return `${formatAddress({ family, bits: first })}/${prefix}`;
}

/** How many addresses a block has. */
export function sizeOf({ family, prefix }: Cidr): bigint {
  return 1n << BigInt(widthOf(family) - prefix);
}

/** The address at `offset` from the block's first; throws a RangeError outside the block. */
export function addressAt(cidr: Cidr, offset: bigint): Address {
  if (offset < 0n || offset >= sizeOf(cidr))
    throw new RangeError(`${formatCidr(cidr)} has no address at offset ${offset}`);
  return { family: cidr.family, bits: cidr.first + offset };
}

export function lastAddress(cidr: Cidr): Address {
  return addressAt(cidr, sizeOf(cidr) - 1n);
}

export function contains(cidr: Cidr, address: Address): boolean {
  return cidr.family === address.family && block(address, cidr.prefix).first === cidr.first;
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  if (a.family !== b.family) return false;
  const [wide, narrow] = a.prefix <= b.prefix ? [a, b] : [b, a];
  return contains(wide, { family: narrow.family, bits: narrow.first });
}

/** The `index`-th block of `prefix` bits inside `cidr`; undefined past its end. */
export function subnetAt(cidr: Cidr, prefix: number, index: bigint): Cidr | undefined {
  const step = 1n << BigInt(widthOf(cidr.family) - prefix);
  const offset = index * step;
  if (prefix < cidr.prefix || index < 0n || offset >= sizeOf(cidr)) return undefined;
  return { family: cidr.family, first: cidr.first + offset, prefix };
}
