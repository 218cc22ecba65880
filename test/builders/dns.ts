// A small cluster as a DNS server sees it, and questions as clients send them.
import { encode, type OptAnswer, RECURSION_DESIRED, type RecordType } from 'dns-packet';
import { serviceRecords } from '../../controlplane/dns/rules/service-records.ts';
import { createZone, type WritableZone } from '../../controlplane/dns/zone.ts';
import type { EndpointSlice, Service } from '../../kube/types.ts';
import { service, slice } from './service.ts';

export interface HostParts {
  readonly ip: string;
  readonly hostname?: string;
  readonly ready?: boolean;
}

/** A slice of endpoints with host names. */
export function hosts(of: string, endpoints: readonly HostParts[], family: 4 | 6 = 4): EndpointSlice {
  return {
    ...slice({ service: of, name: `${of}-${family}`, family, ports: [{ name: 'http', port: 8080 }], endpoints: [] }),
    endpoints: endpoints.map(({ ip, hostname, ready = true }) => ({
      ...{ addresses: [ip], conditions: { ready } },
      ...(hostname ? { hostname } : {}),
    })),
  };
}

const http = [{ name: 'http', port: 80, protocol: 'TCP' as const }];

export const objects: readonly { service: Service; slices: readonly EndpointSlice[] }[] = [
  { service: service({ name: 'hello', spec: { clusterIP: '10.96.0.5', ports: http } }), slices: [] },
  {
    service: service({
      name: 'both',
      spec: { clusterIP: '10.96.0.6', clusterIPs: ['10.96.0.6', 'fd00::6'], ports: [{ port: 53, protocol: 'UDP' }] },
    }),
    slices: [],
  },
  {
    service: service({ name: 'web', spec: { clusterIP: 'None', ports: http } }),
    slices: [
      hosts('web', [
        { ip: '10.244.0.1', hostname: 'web-0' },
        { ip: '10.244.0.2' },
        { ip: '10.244.0.3', hostname: 'web-2', ready: false },
      ]),
    ],
  },
  { service: service({ name: 'idle', spec: { clusterIP: 'None' } }), slices: [] },
  { service: service({ name: 'inner', spec: alias('hello.default.svc.cluster.local') }), slices: [] },
  { service: service({ name: 'outer', spec: alias('Www.Example.com.') }), slices: [] },
  { service: service({ name: 'lost', spec: alias('nobody.default.svc.cluster.local') }), slices: [] },
  { service: service({ name: 'ring', spec: alias('gnir.default.svc.cluster.local') }), slices: [] },
  { service: service({ name: 'gnir', spec: alias('ring.default.svc.cluster.local') }), slices: [] },
];

function alias(externalName: string): Partial<Service['spec']> {
  return { type: 'ExternalName', externalName };
}

/** The zone of `objects`, changed last at second 1000. */
export function world(): WritableZone {
  const zone = createZone('cluster.local', { now: () => 1_000_000 });
  for (const name of ['default', 'empty'])
    zone.put(`namespace/${name}`, [], [`${name}.svc.cluster.local`, `${name}.pod.cluster.local`]);
  for (const one of objects)
    zone.put(`service/${one.service.metadata.name}`, serviceRecords(one.service, one.slices, zone.domain));
  return zone;
}

export interface AskParts {
  readonly id?: number;
  readonly edns?: { readonly size: number; readonly dnssec?: boolean; readonly version?: number };
  readonly class?: 'IN' | 'CH';
}

export function ask(name: string, type: RecordType | 'ANY' = 'A', parts: AskParts = {}): Buffer {
  const { id = 7, edns, class: class_ = 'IN' } = parts;
  const option: OptAnswer[] = edns
    ? [
        {
          ...{ type: 'OPT', name: '.', udpPayloadSize: edns.size, extendedRcode: 0, ednsVersion: edns.version ?? 0 },
          ...{ flags: edns.dnssec ? 0x8000 : 0, flag_do: edns.dnssec ?? false, options: [] },
        },
      ]
    : [];
  return encode({
    ...{ type: 'query', id, flags: RECURSION_DESIRED, additionals: option },
    questions: [{ name, type: type as RecordType, class: class_ }],
  });
}
