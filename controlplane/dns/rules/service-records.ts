// The records of one Service, after the Kubernetes DNS-based service discovery specification 1.1.0, and CoreDNS where it is silent.
import type { EndpointSlice, Service } from '../../../kube/types.ts';
import { type DnsRecord, type ServiceLocation, ttlSeconds } from '../model.ts';
import { dashed, reverseName } from './names.ts';

interface Endpoint {
  readonly ip: string;
  /** Its own name below the Service's. */
  readonly host: string;
  readonly isNamed: boolean;
  readonly ports: readonly Port[];
}

interface Port {
  readonly name: string;
  readonly protocol: string;
  readonly number: number;
}

/** "hello.default.svc.cluster.local" */
export function serviceName({ metadata }: Service, domain: string): string {
  return `${metadata.name}.${metadata.namespace}.svc.${domain}`;
}

/** Every record that the Service is the reason for, its reverse names included. */
export function serviceRecords(service: Service, slices: readonly EndpointSlice[], domain: string): DnsRecord[] {
  const name = serviceName(service, domain);
  const { type, externalName, clusterIP } = service.spec;
  if (type === 'ExternalName') return externalName ? [alias(name, externalName)] : [];
  const endpoints = endpointsOf(service, slices);
  const records =
    clusterIP === 'None'
      ? headlessRecords(name, endpoints)
      : [
          ...clusterIpRecords(name, service),
          ...hostRecords(
            name,
            endpoints.filter(({ isNamed }) => isNamed),
          ),
        ];
  return withoutRepeats(records);
}

function alias(name: string, externalName: string): DnsRecord {
  return { name, ttl: ttlSeconds, type: 'CNAME', data: externalName.toLowerCase().replace(/\.$/, '') };
}

function addressRecord(name: string, ip: string): DnsRecord {
  return { name, ttl: ttlSeconds, type: ip.includes(':') ? 'AAAA' : 'A', data: ip };
}

function pointer(ip: string, target: string): DnsRecord[] {
  const name = reverseName(ip);
  return name ? [{ name, ttl: ttlSeconds, type: 'PTR', data: target }] : [];
}

function clusterIpRecords(name: string, { spec }: Service): DnsRecord[] {
  const ips = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : [];
  const ports = (spec.ports ?? []).map((port) => portOf(port.name, port.protocol, port.port));
  return [
    ...ips.map((ip) => addressRecord(name, ip)),
    ...ips.flatMap((ip) => pointer(ip, name)),
    ...locations(
      name,
      ports.map((port) => ({ port, target: name })),
    ),
  ];
}

/** No ready endpoint means no record, so that the name does not exist, as the specification wants it. */
function headlessRecords(name: string, endpoints: readonly Endpoint[]): DnsRecord[] {
  const targets = endpoints.flatMap(({ host, ports }) => ports.map((port) => ({ port, target: `${host}.${name}` })));
  return [
    ...endpoints.map(({ ip }) => addressRecord(name, ip)),
    ...hostRecords(name, endpoints),
    ...endpoints.flatMap(({ ip, host }) => pointer(ip, `${host}.${name}`)),
    ...locations(name, targets),
  ];
}

function hostRecords(name: string, endpoints: readonly Endpoint[]): DnsRecord[] {
  return endpoints.map(({ ip, host }) => addressRecord(`${host}.${name}`, ip));
}

interface Target {
  readonly port: Port;
  readonly target: string;
}

/** SRV records for each named port; the Service's own name lists all ports, as CoreDNS answers it. */
function locations(name: string, targets: readonly Target[]): DnsRecord[] {
  const owners = new Map<string, Map<string, Target>>();
  const add = (owner: string, one: Target): void => {
    const known = owners.get(owner) ?? new Map<string, Target>();
    // A dual-stack endpoint stands in two slices and is one target.
    owners.set(owner, known.set(`${one.target}:${one.port.number}`, one));
  };
  for (const one of targets) {
    add(name, one);
    if (one.port.name) add(`_${one.port.name}._${one.port.protocol}.${name}`, one);
  }
  return [...owners].flatMap(([owner, known]) =>
    [...known.values()].map(({ port, target }) => location(owner, port.number, target, known.size)),
  );
}

function location(name: string, port: number, target: string, among: number): DnsRecord {
  const data: ServiceLocation = { priority: 0, weight: Math.max(1, Math.floor(100 / among)), port, target };
  return { name, ttl: ttlSeconds, type: 'SRV', data };
}

function portOf(name: string | undefined, protocol: string | undefined, number: number): Port {
  return { name: (name ?? '').toLowerCase(), protocol: (protocol ?? 'TCP').toLowerCase(), number };
}

function endpointsOf({ spec }: Service, slices: readonly EndpointSlice[]): Endpoint[] {
  return slices
    .filter(({ addressType }) => addressType !== 'FQDN')
    .flatMap(({ endpoints, ports }) => {
      // A port without a number stands for every port: there is nothing to point at.
      const all = (ports ?? []).flatMap(({ name, protocol, port }) => (port ? [portOf(name, protocol, port)] : []));
      return (endpoints ?? [])
        .filter(({ conditions }) => conditions?.ready !== false || spec.publishNotReadyAddresses === true)
        .flatMap(({ addresses, hostname }) =>
          addresses.map((ip) => ({
            ip,
            host: hostname ? hostname.toLowerCase() : dashed(ip),
            isNamed: Boolean(hostname),
            ports: all,
          })),
        );
    });
}

/** While slices are rewritten an endpoint may stand in two of them. */
function withoutRepeats(records: readonly DnsRecord[]): DnsRecord[] {
  const byText = new Map(records.map((record) => [JSON.stringify(record), record]));
  return [...byText.values()];
}
