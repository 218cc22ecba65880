// The Service that pods know as their DNS server, and the slice that leads from it to this server: what is missing or differs.
import type { EndpointSlice, Service } from '../../../kube/types.ts';

export const dnsService = { namespace: 'kube-system', name: 'kube-dns' } as const;
const manager = 'nodelet-dns';

export interface Published {
  /** Where this server listens. */
  readonly address: string;
  readonly port: number;
  readonly nodeName: string | undefined;
  /** The address to ask for; undefined: any. */
  readonly clusterIp: string | undefined;
}

/** Whether somebody else's pods stand behind the Service: then they answer, and we do not. */
export function isForeign({ spec }: Service): boolean {
  return Object.keys(spec.selector ?? {}).length > 0 || spec.type === 'ExternalName';
}

const ports = [
  { name: 'dns', port: 53, protocol: 'UDP' },
  { name: 'dns-tcp', port: 53, protocol: 'TCP' },
] as const;

export function wantedService({ clusterIp, port }: Published): Omit<Service, 'metadata'> & { metadata: object } {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      ...dnsService,
      labels: {
        'k8s-app': 'kube-dns',
        'kubernetes.io/cluster-service': 'true',
        'kubernetes.io/name': 'CoreDNS',
      },
    },
    spec: {
      type: 'ClusterIP',
      ...(clusterIp ? { clusterIP: clusterIp } : {}),
      ports: ports.map((one) => ({ ...one, targetPort: port })),
    },
  };
}

/** One slice for each server, so that several of them share the Service. */
export function wantedSlice({ address, port, nodeName }: Published): Omit<EndpointSlice, 'metadata'> & {
  metadata: { namespace: string; name: string; labels: Record<string, string> };
} {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: dnsService.namespace,
      name: `${dnsService.name}-${address.replace(/[.:]+/g, '-').replace(/^-|-$/g, 'x')}`,
      labels: {
        'kubernetes.io/service-name': dnsService.name,
        'endpointslice.kubernetes.io/managed-by': manager,
        'k8s-app': 'kube-dns',
      },
    },
    addressType: address.includes(':') ? 'IPv6' : 'IPv4',
    ports: ports.map(({ name, protocol }) => ({ name, protocol, port })),
    endpoints: [{ addresses: [address], conditions: { ready: true }, ...(nodeName ? { nodeName } : {}) }],
  };
}

/** Whether a slice of ours leads elsewhere than it should. */
export function leadsElsewhere(slice: EndpointSlice, wanted: ReturnType<typeof wantedSlice>): boolean {
  const facts = ({ ports: some, endpoints }: Pick<EndpointSlice, 'ports' | 'endpoints'>): string =>
    JSON.stringify([
      some?.map(({ name, protocol, port }) => [name, protocol, port]),
      endpoints?.map(({ addresses, conditions, nodeName }) => [addresses, conditions?.ready, nodeName]),
    ]);
  return facts(slice) !== facts(wanted);
}
