// A cluster as the service proxy sees it, in memory: put objects in, take them out.
import type { EndpointSlice, Node, Service } from '../../kube/types.ts';
import type { ClusterView } from '../../proxy/model.ts';

export interface FakeCluster extends ClusterView {
  put(service: Service): void;
  putSlice(slice: EndpointSlice): void;
  remove(key: string): void;
  removeSlices(key: string): void;
  setNode(node: Node): void;
}

export function createFakeCluster(): FakeCluster {
  const services = new Map<string, Service>();
  const slices = new Map<string, EndpointSlice[]>();
  const listeners = new Set<(key: string | undefined) => void>();
  let node: Node | undefined;
  const tell = (key: string | undefined): void => {
    for (const listener of listeners) listener(key);
  };
  return {
    synced: Promise.resolve(),
    keys: () => services.keys(),
    service: (key) => services.get(key),
    slices: (key) => slices.get(key) ?? [],
    node: () => node,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    put(service) {
      const key = `${service.metadata.namespace}/${service.metadata.name}`;
      services.set(key, service);
      tell(key);
    },
    putSlice(slice) {
      const key = `${slice.metadata.namespace}/${slice.metadata.labels?.['kubernetes.io/service-name']}`;
      const others = (slices.get(key) ?? []).filter((one) => one.metadata.name !== slice.metadata.name);
      slices.set(key, [...others, slice]);
      tell(key);
    },
    remove(key) {
      services.delete(key);
      tell(key);
    },
    removeSlices(key) {
      slices.delete(key);
      tell(key);
    },
    setNode(next) {
      node = next;
      tell(undefined);
    },
  };
}
