// A view of given objects, and the objects that control loops look at, with everything that a test does not care about filled in.
import type { View } from '../../controlplane/model.ts';
import { keyOf } from '../../kube/informer.ts';
import type { Resource } from '../../kube/resources.ts';
import type { EndpointSlice, KubeObject, Namespace, Node, NodeCondition, Pod, Service } from '../../kube/types.ts';

export function viewOf(...objects: readonly (Partial<KubeObject> & { metadata: KubeObject['metadata'] })[]): View {
  const all = objects as readonly KubeObject[];
  const ofKind = <T extends KubeObject>(of: Resource<T>): T[] => all.filter(({ kind }) => kind === of.kind) as T[];
  return {
    get: (of, key) => ofKind(of).find((object) => keyOf(object) === key),
    list: (of, namespace) =>
      ofKind(of).filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace),
    podsOn: (nodeName) => all.filter((one) => one.kind === 'Pod' && (one as Pod).spec.nodeName === nodeName) as Pod[],
  };
}

export function aNamespace(name: string, metadata: Partial<Namespace['metadata']> = {}): Namespace {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, uid: `uid-${name}`, resourceVersion: '7', ...metadata },
    spec: { finalizers: ['kubernetes'] },
  };
}

/** A running pod; `ip` empty: it has none yet. */
export function aPod(
  name: string,
  over: {
    ip?: string;
    ready?: boolean;
    spec?: Partial<Pod['spec']>;
    metadata?: Partial<Pod['metadata']>;
    phase?: string;
  } = {},
): Pod {
  const { ip = '', ready = true, spec = {}, metadata = {}, phase = 'Running' } = over;
  const status = ready ? 'True' : 'False';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: `uid-${name}`, resourceVersion: '5', ...metadata },
    spec: { containers: [{ name: 'web', image: 'web:1' }], ...spec },
    status: {
      phase: phase as 'Running',
      conditions: [{ type: 'Ready', status, lastTransitionTime: '2026-01-01T00:00:10Z' }],
      ...(ip ? { podIP: ip, podIPs: [{ ip }] } : {}),
    },
  };
}

export function aService(
  name: string,
  spec: Partial<Service['spec']> = {},
  metadata: Partial<Service['metadata']> = {},
): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      resourceVersion: '3',
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...metadata,
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.96.0.10',
      ipFamilies: ['IPv4'],
      selector: { app: name },
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
      ...spec,
    },
  };
}

export function aNode(
  name: string,
  over: {
    ready?: string;
    spec?: Node['spec'];
    metadata?: Partial<Node['metadata']>;
    allocatable?: Record<string, string>;
  } = {},
): Node {
  const { ready = 'True', spec = {}, metadata = {}, allocatable = { cpu: '4', memory: '8Gi', pods: '110' } } = over;
  const condition = (type: string, status: string): NodeCondition => ({
    type,
    status: status as 'True',
    reason: 'Kubelet',
    lastHeartbeatTime: '2026-01-01T00:00:00Z',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  const conditions = [
    condition('MemoryPressure', 'False'),
    condition('DiskPressure', 'False'),
    condition('PIDPressure', 'False'),
  ];
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      uid: `uid-${name}`,
      resourceVersion: '9',
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...metadata,
    },
    spec: spec ?? {},
    status: { allocatable, conditions: ready === 'absent' ? [] : [condition('Ready', ready), ...conditions] },
  };
}

export function aSlice(name: string, service: string, over: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      resourceVersion: '4',
      labels: {
        'kubernetes.io/service-name': service,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
    },
    addressType: 'IPv4',
    endpoints: [],
    ports: [],
    ...over,
  };
}
