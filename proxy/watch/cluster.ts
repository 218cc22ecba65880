// The proxy's view of the cluster: Services, EndpointSlices by Service, and our own Node, by list and watch.
import type { ApiClient } from '../../kube/client.ts';
import { type Change, createInformer } from '../../kube/informer.ts';
import { endpointSlices, nodes, services } from '../../kube/resources.ts';
import type { EndpointSlice, KubeObject } from '../../kube/types.ts';
import type { ClusterView } from '../model.ts';
import { createSliceIndex, serviceOf } from './slices.ts';
import { trimNode, trimService, trimSlice } from './trim.ts';

export interface WatchedCluster extends ClusterView {
  /** Lists and watches until `signal` ends. */
  run(signal: AbortSignal): Promise<void>;
}

/** `onError` hears of each failed list or watch; it is tried again by itself. */
export function watchCluster(client: ApiClient, nodeName: string, onError: (error: unknown) => void): WatchedCluster {
  const watched = createInformer(client, services, {
    select: { labelSelector: '!service.kubernetes.io/service-proxy-name', fieldSelector: 'spec.clusterIP!=None' },
    trim: (object) => trimService(object as never),
    onError,
  });
  const slices = createInformer(client, endpointSlices, {
    select: { labelSelector: '!service.kubernetes.io/headless' },
    trim: (object) => trimSlice(object as never),
    onError,
  });
  const node = createInformer(client, nodes, {
    select: { fieldSelector: `metadata.name=${nodeName}` },
    trim: (object) => trimNode(object as never),
    onError,
  });
  const index = createSliceIndex();
  const listeners = new Set<(key: string | undefined) => void>();
  const tell = (key: string | undefined): void => {
    for (const listener of listeners) listener(key);
  };
  watched.subscribe((change) => {
    if (isNews(change)) tell(keyOf(change.object));
  });
  slices.subscribe((change) => {
    if (change.kind === 'updated' && serviceOf(change.before) !== serviceOf(change.object)) {
      index.remove(change.before);
      tell(serviceOf(change.before));
    }
    if (change.kind === 'deleted') index.remove(change.object);
    else index.put(change.object);
    const key = serviceOf(change.object);
    if (key !== undefined && isNews(change)) tell(key);
  });
  node.subscribe(() => tell(undefined));
  return {
    run: async (signal) => void (await Promise.all([watched, slices, node].map((one) => one.run(signal)))),
    synced: Promise.all([watched.synced, slices.synced, node.synced]).then(() => undefined),
    *keys() {
      for (const service of watched.list()) yield keyOf(service);
    },
    service: (key) => watched.get(key),
    slices: (key) => index.of(key),
    node: () => node.get(nodeName),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function keyOf({ metadata }: KubeObject & { metadata: { namespace?: string } }): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** Whether anything that we keep changed: leader election and the like touch objects every other second. */
function isNews(change: Change<KubeObject>): boolean {
  if (change.kind !== 'updated') return true;
  const text = (object: KubeObject): string =>
    JSON.stringify({ ...object, metadata: { labels: (object as EndpointSlice).metadata.labels } });
  return text(change.object) !== text(change.before);
}
