// What a zone says of itself.
import { type DnsRecord, ttlSeconds } from '../model.ts';

/** `serial` in seconds since 1970. The numbers in between are for servers that copy zones, which nobody does here. */
export function startOfAuthority(domain: string, origin: string, serial: number): DnsRecord {
  const data = {
    ...{ mname: `ns.dns.${domain}`, rname: `hostmaster.${domain}`, serial },
    ...{ refresh: 7200, retry: 1800, expire: 86_400, minimum: ttlSeconds },
  };
  return { name: origin, ttl: ttlSeconds, type: 'SOA', data };
}
