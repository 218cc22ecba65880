// Keeps Endpoints objects, which older clients read, true to services and pods.
import { endpoints, pods, type Resource, services } from '../../../kube/resources.ts';
import type { Endpoints, KubeObject, Service } from '../../../kube/types.ts';
import { type Action, type Controller, looksNoFurther, nothing, watch } from '../../model.ts';
import {
  addressesOf,
  type Backend,
  backendsOf,
  endpointWatches,
  familyOf,
  hasSelector,
  inheritedLabels,
  isHeadless,
  triggerTime,
  triggerTimeAnnotation,
} from './service-endpoints.ts';

const managedByLabel = 'endpoints.kubernetes.io/managed-by';
const managedBy = 'endpoint-controller';
const overCapacity = 'endpoints.kubernetes.io/over-capacity';
const mostAddresses = 1000;

type Subset = NonNullable<Endpoints['subsets']>[number];
type Address = NonNullable<Subset['addresses']>[number];

const of: Resource<KubeObject> = endpoints;

export const endpointsController: Controller = {
  name: 'endpoints',
  watches: [...endpointWatches, watch(endpoints, ({ metadata }) => [`${metadata.namespace}/${metadata.name}`])],
  look: looksNoFurther,
  reconcile: (key, view) => {
    const service = view.get(services, key);
    const known = view.get(endpoints, key);
    if (!service) return { actions: known?.metadata.labels?.[managedByLabel] === managedBy ? [remove(known)] : [] };
    if (!hasSelector(service)) return nothing;
    return { actions: planEndpoints(service, backendsOf(service, view.list(pods, service.metadata.namespace)), known) };
  },
};

function remove({ metadata: { namespace, name, uid } }: Endpoints): Action {
  const options = { preconditions: { uid } };
  return { do: 'Delete', of, at: { namespace, name }, options, because: 'its service is gone' };
}

export function planEndpoints(service: Service, backends: readonly Backend[], known: Endpoints | undefined): Action[] {
  const { name, namespace } = service.metadata;
  // A terminating pod is listed only where unready ones are wanted too.
  const listed = backends.filter(({ terminating }) => !terminating || service.spec.publishNotReadyAddresses === true);
  const subsets = subsetsOf(service, listed.slice(0, mostAddresses));
  const labels = { ...inheritedLabels(service, [managedByLabel]), [managedByLabel]: managedBy };
  const truncated = listed.length > mostAddresses;
  if (known && sorted(known.metadata.labels) === sorted(labels) && sorted(known.subsets) === sorted(subsets)) return [];
  const { [overCapacity]: _over, [triggerTimeAnnotation]: _time, ...kept } = known?.metadata.annotations ?? {};
  const since = triggerTime(
    service,
    listed.filter(isNews(known)).map(({ pod }) => pod),
  );
  const annotations = {
    ...kept,
    ...(since ? { [triggerTimeAnnotation]: since } : {}),
    ...(truncated ? { [overCapacity]: 'truncated' } : {}),
  };
  if (!known) {
    const object = { apiVersion: 'v1', kind: 'Endpoints', metadata: { name, namespace, labels, annotations }, subsets };
    return [{ do: 'Create', of, object, because: 'its service has none' }];
  }
  const object = { ...known, metadata: { ...known.metadata, labels, annotations }, subsets };
  return [{ do: 'Update', of, object, because: 'the pods behind its service changed' }];
}

function subsetsOf(service: Service, backends: readonly Backend[]): Subset[] {
  const family = service.spec.ipFamilies?.[0] ?? 'IPv4';
  const reachable = backends.flatMap((backend) => {
    const ip = addressesOf(backend.pod).find((one) => familyOf(one) === family);
    const useful = backend.ports.length > 0 || (isHeadless(service) && !service.spec.ports?.length);
    return ip && useful ? [{ backend, address: addressOf(backend, ip) }] : [];
  });
  const byPorts = Map.groupBy(reachable, ({ backend }) => JSON.stringify(backend.ports));
  return [...byPorts.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([ports, members]) => {
      const ready = members.filter(({ backend }) => backend.ready).map(({ address }) => address);
      const notReady = members.filter(({ backend }) => !backend.ready).map(({ address }) => address);
      return {
        ...(ready.length > 0 ? { addresses: ready.sort(byIp) } : {}),
        ...(notReady.length > 0 ? { notReadyAddresses: notReady.sort(byIp) } : {}),
        ...(ports === '[]' ? {} : { ports: JSON.parse(ports) as NonNullable<Subset['ports']> }),
      };
    });
}

function addressOf({ pod, hostname }: Backend, ip: string): Address {
  const { name, namespace, uid } = pod.metadata;
  return {
    ip,
    ...(hostname ? { hostname } : {}),
    ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
}

const byIp = (a: Address, b: Address): number => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0);

/** Whether the object does not show a backend as it is now. */
function isNews(known: Endpoints | undefined): (backend: Backend) => boolean {
  const shown = new Set<string>();
  for (const { addresses = [], notReadyAddresses = [] } of known?.subsets ?? []) {
    for (const { targetRef } of addresses) shown.add(`${targetRef?.uid} true`);
    for (const { targetRef } of notReadyAddresses) shown.add(`${targetRef?.uid} false`);
  }
  return ({ pod, ready }) => !shown.has(`${pod.metadata.uid} ${ready}`);
}

/** Text that is the same for the same content, whatever the order of fields; absent and empty are one. */
function sorted(content: unknown): string {
  return JSON.stringify(content ?? [], (_, value: unknown) =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
