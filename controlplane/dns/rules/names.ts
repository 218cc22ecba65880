// Names that are made of addresses: reverse names, and addresses written with dashes.
import { canonicalIp, type Family, parseAddress } from '../../../host/cidr.ts';

export const reverseZones = ['in-addr.arpa', 'ip6.arpa'] as const;

/** "1.0.96.10.in-addr.arpa", or the 32 digits of an IPv6 address under "ip6.arpa". Undefined where `ip` is no address. */
export function reverseName(ip: string): string | undefined {
  const address = parseAddress(ip);
  if (!address) return undefined;
  if (address.family === 4) return `${ip.split('.').reverse().join('.')}.in-addr.arpa`;
  const digits = address.bits.toString(16).padStart(32, '0');
  return `${[...digits].reverse().join('.')}.ip6.arpa`;
}

/** "10-244-0-5": the name of an endpoint that has no host name of its own. */
export function dashed(ip: string): string {
  return ip.replace(/[.:]/g, '-');
}

/** The address behind "10-244-0-5" or "2001-db8--5"; undefined where the label is none. */
export function addressOfDashed(label: string): { readonly family: Family; readonly ip: string } | undefined {
  const isV4 = /^\d{1,3}(-\d{1,3}){3}$/.test(label);
  const ip = canonicalIp(label.replaceAll('-', isV4 ? '.' : ':'));
  return ip === undefined ? undefined : { family: isV4 ? 4 : 6, ip };
}

/** Whether `name` is `zone` or below it. */
export function isWithin(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}
