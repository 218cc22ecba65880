// From a question to what the cluster's objects answer; NXDOMAIN and an empty answer are kept apart to the letter (RFC 2308, RFC 8020).
import { type DnsRecord, type Found, ttlSeconds, type Zone } from '../model.ts';
import { addressOfDashed, isWithin, reverseZones } from './names.ts';

/** The version of the specification that the records follow. */
export const schemaVersion = '1.1.0';

const longestChain = 8;

/** `name` in lower case, `type` as "A" or "ANY". Undefined: not ours to answer. */
export function lookUp(zone: Zone, name: string, type: string): Found | undefined {
  if (isWithin(name, zone.domain)) return inside(zone, name, type);
  const reverse = reverseZones.find((one) => isWithin(name, one));
  const records = reverse && zone.find(name);
  // Reverse names that no Service explains belong to whoever manages the machine's network.
  return records ? answered(zone, reverse, matching(records, type)) : undefined;
}

function inside(zone: Zone, name: string, type: string): Found {
  const chain: DnsRecord[] = [];
  const seen = new Set<string>();
  for (let at = name; ; ) {
    seen.add(at);
    const records = recordsAt(zone, at);
    if (!records) return { ...empty(zone, zone.domain), rcode: 'NXDOMAIN', answers: chain };
    const direct = matching(records, type);
    const alias = records.find((record) => record.type === 'CNAME');
    if (direct.length > 0 || alias?.type !== 'CNAME') return answered(zone, zone.domain, direct, chain);
    chain.push(alias);
    at = alias.data;
    if (!isWithin(at, zone.domain)) return { ...bare, answers: chain, leadsTo: at };
    if (seen.has(at) || chain.length >= longestChain) return { ...bare, answers: chain };
  }
}

function matching(records: readonly DnsRecord[], type: string): DnsRecord[] {
  return records.filter((record) => type === 'ANY' || record.type === type);
}

/** What the objects say, what the zone says of itself, and pods by their address. */
function recordsAt(zone: Zone, name: string): readonly DnsRecord[] | undefined {
  return zone.find(name) ?? ownRecords(zone, name) ?? podRecords(zone, name);
}

function ownRecords(zone: Zone, name: string): readonly DnsRecord[] | undefined {
  const { domain } = zone;
  const ttl = ttlSeconds;
  if (name === domain) return [zone.authority(domain), { name, ttl, type: 'NS', data: `ns.dns.${domain}` }];
  if (name === `dns-version.${domain}`) return [{ name, ttl, type: 'TXT', data: schemaVersion }];
  if (name === `svc.${domain}` || name === `pod.${domain}` || name === `dns.${domain}`) return [];
  // The name server's own name is another one for the Service that leads here.
  return name === `ns.dns.${domain}` ? nameServer(zone, name) : undefined;
}

function nameServer(zone: Zone, name: string): DnsRecord[] {
  const records = zone.find(`kube-dns.kube-system.svc.${zone.domain}`) ?? [];
  return records.flatMap((record) => (record.type === 'A' || record.type === 'AAAA' ? [{ ...record, name }] : []));
}

/** "10-244-0-5.default.pod.cluster.local": any address, as long as the namespace exists. */
function podRecords(zone: Zone, name: string): readonly DnsRecord[] | undefined {
  const [label = '', ...rest] = name.split('.');
  const parent = rest.join('.');
  if (!parent.endsWith(`.pod.${zone.domain}`) || zone.find(parent) === undefined) return undefined;
  const address = addressOfDashed(label);
  return address && [{ name, ttl: ttlSeconds, type: address.family === 4 ? 'A' : 'AAAA', data: address.ip }];
}

const bare: Found = { rcode: 'NOERROR', answers: [], authorities: [], additionals: [] };

function empty(zone: Zone, origin: string): Found {
  return { ...bare, authorities: [zone.authority(origin)] };
}

function answered(zone: Zone, origin: string, records: readonly DnsRecord[], chain: readonly DnsRecord[] = []): Found {
  if (records.length === 0) return { ...empty(zone, origin), answers: chain };
  return { ...bare, answers: [...chain, ...records], additionals: addressesOf(zone, records) };
}

/** The addresses of the targets, which save the asker a question. */
function addressesOf(zone: Zone, records: readonly DnsRecord[]): DnsRecord[] {
  const targets = new Set(
    records.flatMap((record) => {
      if (record.type === 'SRV') return [record.data.target];
      return record.type === 'NS' ? [record.data] : [];
    }),
  );
  return [...targets].flatMap((target) =>
    (recordsAt(zone, target) ?? []).filter(
      (one) => (one.type === 'A' || one.type === 'AAAA') && !records.includes(one),
    ),
  );
}
