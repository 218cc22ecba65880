// Keeps EndpointSlices true to services and pods: at most 100 endpoints each, as few writes as can be.
import { createHash } from 'node:crypto';
import { endpointSlices, pods, type Resource, services } from '../../../kube/resources.ts';
import type { EndpointSlice, KubeObject, Pod, Service } from '../../../kube/types.ts';
import { type Action, type Controller, looksNoFurther, nothing, watch } from '../../model.ts';
import {
  addressesOf,
  type Backend,
  backendsOf,
  type EndpointPort,
  endpointWatches,
  familyOf,
  hasSelector,
  inheritedLabels,
  triggerTime,
  triggerTimeAnnotation,
} from './service-endpoints.ts';

export const serviceNameLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const managedBy = 'endpointslice-controller.k8s.io';
const largestSlice = 100;

type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];
type SlicePort = NonNullable<EndpointSlice['ports']>[number];
type Protocol = NonNullable<SlicePort['protocol']>;
type AddressType = 'IPv4' | 'IPv6';

/** Slices that may share endpoints: one address family, one set of ports. */
interface Group {
  readonly addressType: AddressType;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: Map<string, { endpoint: Endpoint; pod: Pod }>;
}

export const endpointSliceController: Controller = {
  name: 'endpoint-slice',
  watches: [
    ...endpointWatches,
    watch(endpointSlices, ({ metadata }) => {
      const service = metadata.labels?.[managedByLabel] === managedBy && metadata.labels[serviceNameLabel];
      return service ? [`${metadata.namespace}/${service}`] : [];
    }),
  ],
  look: looksNoFurther,
  reconcile: (key, view) => {
    const [namespace = '', name = ''] = key.split('/');
    const service = view.get(services, key);
    const mine = view
      .list(endpointSlices, namespace)
      .filter(
        ({ metadata }) => metadata.labels?.[managedByLabel] === managedBy && metadata.labels[serviceNameLabel] === name,
      );
    if (!service || service.metadata.deletionTimestamp)
      return { actions: mine.map((slice) => remove(slice, 'its service is gone')) };
    if (!hasSelector(service)) return nothing;
    return { actions: planSlices(service, backendsOf(service, view.list(pods, namespace)), mine) };
  },
};

/** The writes that make `slices` say what `backends` are. */
export function planSlices(service: Service, backends: readonly Backend[], slices: readonly EndpointSlice[]): Action[] {
  const groups = groupBackends(service, backends);
  const byGroup = Map.groupBy(slices, (slice) =>
    groupKey(slice.addressType, (slice.ports ?? []) as Partial<EndpointPort>[]),
  );
  const actions: Action[] = [];
  for (const [key, group] of groups) actions.push(...planGroup(service, group, byGroup.get(key) ?? []));
  for (const [key, old] of byGroup) {
    if (!groups.has(key)) actions.push(...old.map((slice) => remove(slice, 'no endpoint has its ports any more')));
  }
  return recycle(actions, slices);
}

/** A slice that would go takes the place of one that would come: one write instead of two, and no moment with none. */
function recycle(actions: readonly Action[], slices: readonly EndpointSlice[]): Action[] {
  const left: (Action | undefined)[] = [...actions];
  for (const [at, create] of actions.entries()) {
    if (create.do !== 'Create') continue;
    const free = left.findIndex((one) => {
      const slice = one?.do === 'Delete' && slices.find(({ metadata }) => metadata.name === one.at.name);
      return slice && slice.addressType === create.object['addressType'];
    });
    const old = left[free];
    const slice = old?.do === 'Delete' && slices.find(({ metadata }) => metadata.name === old.at.name);
    if (!slice) continue;
    const { annotations, labels } = create.object.metadata;
    const metadata = { ...slice.metadata, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) };
    const object = { ...slice, ...create.object, metadata };
    left[at] = { do: 'Update', of: slicesOf, object, because: 'its endpoints changed' };
    left[free] = undefined;
  }
  return left.filter((one) => one !== undefined);
}

function groupBackends(service: Service, backends: readonly Backend[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const addressType of (service.spec.ipFamilies ?? ['IPv4']) as AddressType[]) {
    const before = groups.size;
    for (const backend of backends) {
      const addresses = addressesOf(backend.pod).filter((ip) => familyOf(ip) === addressType);
      if (addresses[0] === undefined) continue;
      const key = groupKey(addressType, backend.ports);
      const group = groups.get(key) ?? { addressType, ports: backend.ports, endpoints: new Map() };
      groups.set(key, group);
      group.endpoints.set(backend.pod.metadata.uid, { endpoint: endpointOf(backend, addresses[0]), pod: backend.pod });
    }
    // A service without endpoints still has one slice, so that readers know it was looked at.
    if (groups.size === before) groups.set(groupKey(addressType, []), { addressType, ports: [], endpoints: new Map() });
  }
  return groups;
}

function groupKey(addressType: string, ports: readonly Partial<EndpointPort>[]): string {
  const texts = ports.map(({ name = '', port, protocol = 'TCP', appProtocol = '' }) =>
    [name, port, protocol, appProtocol].join('|'),
  );
  return `${addressType} ${createHash('sha1').update(texts.sort().join()).digest('hex')}`;
}

function endpointOf({ pod, ready, serving, terminating, hostname }: Backend, address: string): Endpoint {
  const { name, namespace, uid } = pod.metadata;
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname ? { hostname } : {}),
    targetRef: { kind: 'Pod', namespace, name, uid },
    ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
  };
}

/** First what changed where it stands, then new endpoints into slices that are written anyway, then where there is room, then new slices. */
function planGroup(service: Service, group: Group, slices: readonly EndpointSlice[]): Action[] {
  const missing = new Map(group.endpoints);
  const changed: Pod[] = [];
  const drafts = slices.map((slice) => {
    const before = slice.endpoints ?? [];
    const after = before.flatMap((old) => {
      const uid = old.targetRef?.uid ?? '';
      const wanted = missing.get(uid);
      missing.delete(uid);
      if (!wanted) return [];
      const same = sameEndpoint(old, wanted.endpoint);
      if (!same) changed.push(wanted.pod);
      return [same ? old : wanted.endpoint];
    });
    const dirty =
      after.length !== before.length || after.some((one, at) => one !== before[at]) || !hasMetadata(service, slice);
    return { slice, endpoints: after, dirty };
  });
  const rest = [...missing.values()];
  for (const { pod } of rest) changed.push(pod);
  const fill = (draft: { endpoints: Endpoint[]; dirty: boolean }): void => {
    const room = rest.splice(0, largestSlice - draft.endpoints.length);
    if (room.length === 0) return;
    draft.endpoints.push(...room.map(({ endpoint }) => endpoint));
    draft.dirty = true;
  };
  for (const draft of drafts) if (draft.dirty) fill(draft);
  for (const draft of drafts.filter(hasRoomFor(rest.length))) fill(draft);
  const fresh: Endpoint[][] = [];
  while (rest.length > 0) fresh.push(rest.splice(0, largestSlice).map(({ endpoint }) => endpoint));
  const full = drafts.filter(({ endpoints }) => endpoints.length > 0);
  const empty = drafts.filter(({ endpoints }) => endpoints.length === 0);
  if (full.length === 0 && fresh.length === 0) {
    const placeholder = empty.shift();
    if (placeholder) full.push(placeholder);
    else fresh.push([]);
  }
  const since = triggerTime(service, changed);
  return [
    ...full.filter(({ dirty }) => dirty).map(({ slice, endpoints }) => update(service, group, slice, endpoints, since)),
    ...fresh.map((endpoints) => create(service, group, endpoints, since)),
    ...empty.map(({ slice }) => remove(slice, 'it has no endpoints left')),
  ];
}

/** A slice that takes all of the rest is touched alone; a rest that fits in none begins a new slice. */
function hasRoomFor(rest: number): (draft: { endpoints: Endpoint[]; dirty: boolean }) => boolean {
  return ({ endpoints, dirty }) => !dirty && rest > 0 && endpoints.length + (rest % largestSlice) <= largestSlice;
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  const facts = ({ addresses, conditions, hostname, targetRef, nodeName }: Endpoint): string =>
    JSON.stringify([
      addresses,
      [conditions?.ready, conditions?.serving, conditions?.terminating],
      hostname,
      [targetRef?.uid, targetRef?.name],
      nodeName,
    ]);
  return facts(a) === facts(b);
}

function labelsOf(service: Service): Record<string, string> {
  return {
    ...inheritedLabels(service, [serviceNameLabel, managedByLabel]),
    [serviceNameLabel]: service.metadata.name,
    [managedByLabel]: managedBy,
  };
}

function hasMetadata(service: Service, { metadata }: EndpointSlice): boolean {
  const sorted = (labels: Record<string, string> = {}): string => JSON.stringify(Object.entries(labels).sort());
  return sorted(metadata.labels) === sorted(labelsOf(service));
}

function create(service: Service, group: Group, endpoints: Endpoint[], since: string | undefined): Action {
  const { name, namespace, uid } = service.metadata;
  const owner = { apiVersion: 'v1', kind: 'Service', name, uid, controller: true, blockOwnerDeletion: true };
  const object = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: labelsOf(service),
      ...(since ? { annotations: { [triggerTimeAnnotation]: since } } : {}),
      ownerReferences: [owner],
    },
    addressType: group.addressType,
    endpoints,
    ports: slicePorts(group),
  };
  return { do: 'Create', of: slicesOf, object, because: 'endpoints have no slice yet' };
}

/** An unnamed port has the empty name in a slice: readers match it with the service's port. */
function slicePorts({ ports }: Group): SlicePort[] {
  return ports.map(({ name = '', protocol, ...rest }) => ({ name, ...rest, protocol: protocol as Protocol }));
}

const slicesOf: Resource<KubeObject> = endpointSlices;

function update(
  service: Service,
  group: Group,
  slice: EndpointSlice,
  endpoints: Endpoint[],
  since: string | undefined,
): Action {
  const { [triggerTimeAnnotation]: _, ...kept } = slice.metadata.annotations ?? {};
  const annotations = { ...kept, ...(since ? { [triggerTimeAnnotation]: since } : {}) };
  const metadata = { ...slice.metadata, labels: labelsOf(service), annotations };
  const object = { ...slice, metadata, endpoints, ports: slicePorts(group) };
  return { do: 'Update', of: slicesOf, object, because: 'its endpoints changed' };
}

function remove({ metadata }: EndpointSlice, because: string): Action {
  const { namespace, name, uid } = metadata;
  return { do: 'Delete', of: slicesOf, at: { namespace, name }, options: { preconditions: { uid } }, because };
}
