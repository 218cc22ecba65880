// Addresses as people write them, made canonical before they come near a rule. Text that is none is left out, with a reason.
import {
  type Address,
  type Cidr,
  contains,
  type Family,
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
} from '../../host/cidr.ts';

function withoutZeros(text: string): string {
  return text.includes(':') ? text : text.replace(/(^|\.)0+(?=\d)/g, '$1');
}

/** Reads an address with blanks around it or leading zeros in it; an IPv4-mapped IPv6 address is IPv4. */
export function readAddress(text: unknown): Address | undefined {
  if (typeof text !== 'string') return undefined;
  const address = parseAddress(withoutZeros(text.trim()));
  if (address?.family === 6 && address.bits >> 32n === 0xffffn) return { family: 4, bits: address.bits & 0xffffffffn };
  return address;
}

/** Reads a block with the same leniency; host bits are cleared. */
export function readCidr(text: unknown): Cidr | undefined {
  if (typeof text !== 'string') return undefined;
  const [address = '', prefix = ''] = text.trim().split('/', 2);
  return parseCidr(`${withoutZeros(address)}/${prefix}`);
}

const neverReachable = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '255.255.255.255/32',
  '::/128',
  '::1/128',
  'fe80::/10',
  'ff00::/8',
].flatMap((text) => parseCidr(text) ?? []);

/**
 * Whether traffic may be taken for, or sent to, this address. Loopback, link-local, multicast and unspecified addresses are the
 * node's own business: a Service that names them would reach what listens there (CVE-2020-8554, CVE-2021-25737).
 */
export function isReachable(address: Address): boolean {
  return !neverReachable.some((block) => contains(block, address));
}

/** The canonical addresses of one family; `refused` hears of the texts that are not addresses or must not be used. */
export function usableAddresses(
  texts: readonly unknown[] | undefined,
  family: Family,
  refused: (text: string) => void,
): string[] {
  const found = new Set<string>();
  for (const text of texts ?? []) {
    const address = readAddress(text);
    if (!address || !isReachable(address)) refused(String(text).slice(0, 60));
    else if (address.family === family) found.add(formatAddress(address));
  }
  return [...found];
}

/** The canonical blocks of one family. */
export function usableCidrs(
  texts: readonly unknown[] | undefined,
  family: Family,
  refused: (text: string) => void,
): string[] {
  const found = new Set<string>();
  for (const text of texts ?? []) {
    const cidr = readCidr(text);
    if (!cidr) refused(String(text).slice(0, 60));
    else if (cidr.family === family) found.add(formatCidr(cidr));
  }
  return [...found];
}

/** "10.0.0.1:80" or "[2001:db8::1]:80". */
export function hostPort(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** The match of exactly one address: "10.0.0.1/32". */
export function exactly(ip: string): string {
  return `${ip}/${ip.includes(':') ? 128 : 32}`;
}
