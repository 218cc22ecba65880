// EndpointSlices by the Service that they belong to.
import type { EndpointSlice } from '../../kube/types.ts';

export interface SliceIndex {
  put(slice: EndpointSlice): void;
  remove(slice: EndpointSlice): void;
  of(serviceKey: string): readonly EndpointSlice[];
}

/** "namespace/name" of the Service; undefined for a slice that belongs to none. */
export function serviceOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.['kubernetes.io/service-name'];
  return name ? `${metadata.namespace}/${name}` : undefined;
}

export function createSliceIndex(): SliceIndex {
  const byService = new Map<string, Map<string, EndpointSlice>>();
  return {
    put(slice) {
      const key = serviceOf(slice);
      if (key === undefined) return;
      const known = byService.get(key) ?? new Map<string, EndpointSlice>();
      known.set(slice.metadata.name, slice);
      byService.set(key, known);
    },
    remove(slice) {
      const key = serviceOf(slice) ?? '';
      const known = byService.get(key);
      known?.delete(slice.metadata.name);
      if (known?.size === 0) byService.delete(key);
    },
    of: (key) => {
      const known = byService.get(key);
      return known ? [...known.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)) : [];
    },
  };
}
