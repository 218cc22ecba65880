// Builds Services and EndpointSlices for tests: what is not said is what the API server would default.
import type { EndpointSlice, Service } from '../../kube/types.ts';

export interface ServiceParts {
  readonly namespace?: string;
  readonly name: string;
  readonly spec: Partial<Service['spec']>;
  readonly status?: Service['status'];
  readonly labels?: Record<string, string>;
}

export function service({ namespace = 'default', name, spec, status, labels }: ServiceParts): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name, uid: `uid-${name}`, ...(labels ? { labels } : {}) },
    spec: {
      type: 'ClusterIP',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ports: [{ port: 80, protocol: 'TCP' }],
      ...spec,
    },
    ...(status ? { status } : {}),
  };
}

export interface EndpointParts {
  readonly ip: string;
  readonly node?: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly zones?: readonly string[];
  readonly nodes?: readonly string[];
}

export interface SliceParts {
  readonly namespace?: string;
  readonly service: string;
  readonly name?: string;
  readonly family?: 4 | 6;
  readonly ports?: readonly { name?: string; port: number; protocol?: 'TCP' | 'UDP' | 'SCTP' }[];
  readonly endpoints: readonly EndpointParts[];
}

export function slice({
  namespace = 'default',
  service,
  name = `${service}-1`,
  family = 4,
  ...parts
}: SliceParts): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace, name, uid: `uid-${name}`, labels: { 'kubernetes.io/service-name': service } },
    addressType: family === 4 ? 'IPv4' : 'IPv6',
    ports: (parts.ports ?? [{ port: 8080 }]).map(({ name: portName = '', port, protocol = 'TCP' }) => ({
      name: portName,
      port,
      protocol,
    })),
    endpoints: parts.endpoints.map(
      ({ ip, node, ready = true, serving = ready, terminating = false, zones, nodes }) => ({
        addresses: [ip],
        conditions: { ready, serving, terminating },
        ...(node ? { nodeName: node } : {}),
        ...(zones || nodes
          ? {
              hints: {
                ...(zones ? { forZones: zones.map((zone) => ({ name: zone })) } : {}),
                ...(nodes ? { forNodes: nodes.map((one) => ({ name: one })) } : {}),
              },
            }
          : {}),
      }),
    ),
  };
}
