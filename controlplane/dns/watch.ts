// Keeps a zone true to the API: Services, their EndpointSlices, Namespaces, by list and watch.
import type { ApiClient } from '../../kube/client.ts';
import { createInformer, keyOf } from '../../kube/informer.ts';
import { endpointSlices, namespaces, services } from '../../kube/resources.ts';
import type { EndpointSlice, KubeObject } from '../../kube/types.ts';
import { serviceRecords } from './rules/service-records.ts';
import type { WritableZone } from './zone.ts';

export interface ZoneWatch {
  /** Resolves when the zone holds everything that the API had. */
  readonly synced: Promise<void>;
  /** Lists and watches until `signal` ends. */
  run(signal: AbortSignal): Promise<void>;
  /** Called with "namespace/name" of a Service after it or its endpoints changed. */
  onChange(listener: (service: string) => void): void;
}

const serviceLabel = 'kubernetes.io/service-name';

/** `onError` hears of each failed list or watch; it is tried again by itself. */
export function watchZone(client: ApiClient, zone: WritableZone, onError: (error: unknown) => void): ZoneWatch {
  const options = { onError, trim };
  const watched = createInformer(client, services, options);
  const slices = createInformer(client, endpointSlices, options);
  const spaces = createInformer(client, namespaces, options);
  const slicesOf = new Map<string, Map<string, EndpointSlice>>();
  const listeners = new Set<(service: string) => void>();

  function refresh(key: string): void {
    const service = watched.get(key);
    const records = service && serviceRecords(service, [...(slicesOf.get(key)?.values() ?? [])], zone.domain);
    if (records) zone.put(`service/${key}`, records);
    else zone.remove(`service/${key}`);
    for (const listener of listeners) listener(key);
  }

  function forget(slice: EndpointSlice): void {
    const key = serviceOf(slice);
    const known = slicesOf.get(key);
    known?.delete(slice.metadata.name);
    if (known?.size === 0) slicesOf.delete(key);
    refresh(key);
  }

  watched.subscribe(({ object }) => refresh(keyOf(object)));
  slices.subscribe((change) => {
    const key = serviceOf(change.object);
    if (change.kind === 'updated' && serviceOf(change.before) !== key) forget(change.before);
    if (change.kind === 'deleted') return forget(change.object);
    const known = slicesOf.get(key) ?? new Map<string, EndpointSlice>();
    slicesOf.set(key, known.set(change.object.metadata.name, change.object));
    refresh(key);
  });
  spaces.subscribe(({ kind, object: { metadata } }) => {
    const names = ['svc', 'pod'].map((sub) => `${metadata.name}.${sub}.${zone.domain}`);
    if (kind === 'deleted') zone.remove(`namespace/${metadata.name}`);
    else if (kind === 'added') zone.put(`namespace/${metadata.name}`, [], names);
  });
  return {
    run: async (signal) => void (await Promise.all([watched, slices, spaces].map((one) => one.run(signal)))),
    synced: Promise.all([watched.synced, slices.synced, spaces.synced]).then(() => undefined),
    onChange: (listener) => void listeners.add(listener),
  };
}

function serviceOf({ metadata }: EndpointSlice): string {
  return `${metadata.namespace}/${metadata.labels?.[serviceLabel] ?? ''}`;
}

/** Nobody here reads them, and they are most of an object. */
function trim(object: unknown): void {
  const { metadata } = object as KubeObject;
  delete metadata.managedFields;
  delete metadata.annotations;
}
