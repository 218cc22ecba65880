// The documents by which clients learn what is served: aggregated (v2, v2beta1) and plain. Pure.
import type { Kind } from '../kinds/kind.ts';
import type { JsonObject } from '../model.ts';
import type { ResourceRow, Subresource } from './schema.ts';

/** A served row: a kind with storage, or one that is only asked (reviews). */
export type Served = ResourceRow | Kind;

export interface GroupVersion {
  readonly group: string;
  readonly version: string;
  readonly rows: readonly Served[];
}

export const gvOf = ({ group, version }: { group: string; version: string }): string =>
  group === '' ? version : `${group}/${version}`;

export function groupVersions(rows: readonly Served[]): GroupVersion[] {
  const groups = Map.groupBy(rows, gvOf);
  return [...groups.values()].map((served) => ({
    group: served[0]?.group ?? '',
    version: served[0]?.version ?? '',
    rows: [...served].sort((a, b) => (a.resource < b.resource ? -1 : 1)),
  }));
}

/** One byte-stable hash per resource, as upstream's storageVersionHash stands in the plain documents: left out, it is optional. */
function plainRow(row: Served): JsonObject[] {
  const { resource, singular, namespaced, kind, verbs, shortNames, categories } = row;
  const main = {
    name: resource,
    singularName: singular,
    namespaced,
    kind,
    verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
  };
  const below = row.subresources.map((sub) => ({
    name: `${resource}/${sub.name}`,
    singularName: '',
    namespaced,
    ...(sub.group === undefined ? {} : { group: sub.group, version: sub.version }),
    kind: sub.kind,
    verbs: sub.verbs,
  }));
  return [main, ...below];
}

/** /api/v1, /apis/G/V. */
export function resourceList(gv: GroupVersion): JsonObject {
  return {
    kind: 'APIResourceList',
    ...(gv.group === '' ? {} : { apiVersion: 'v1' }),
    groupVersion: gvOf(gv),
    resources: gv.rows.flatMap(plainRow),
  };
}

function groupOf(name: string, versions: readonly GroupVersion[]): JsonObject {
  const rows = versions.map((gv) => ({ groupVersion: gvOf(gv), version: gv.version }));
  return { name, versions: rows, preferredVersion: rows[0] };
}

/** /apis. */
export function groupList(gvs: readonly GroupVersion[]): JsonObject {
  const groups = Map.groupBy(
    gvs.filter(({ group }) => group !== ''),
    ({ group }) => group,
  );
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: [...groups].map(([name, versions]) => groupOf(name, versions)),
  };
}

/** /apis/G; undefined for a group that is not served. */
export function groupDocument(gvs: readonly GroupVersion[], group: string): JsonObject | undefined {
  const versions = gvs.filter((gv) => gv.group === group);
  return versions.length === 0 ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(group, versions) };
}

/** /api. */
export function coreVersions(address: string): JsonObject {
  const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress: address }];
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs };
}

const responseKind = (of: { group: string; version: string }, kind: string): JsonObject => ({
  group: of.group,
  version: of.version,
  kind,
});

function aggregatedSub(row: Served, { name, kind, verbs, group, version }: Subresource): JsonObject {
  const of = { group: group ?? row.group, version: version ?? row.version };
  return { subresource: name, responseKind: responseKind(of, kind), verbs };
}

function aggregatedRow(row: Served): JsonObject {
  return {
    resource: row.resource,
    responseKind: responseKind(row, row.kind),
    scope: row.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: row.singular,
    verbs: row.verbs,
    ...(row.shortNames.length > 0 ? { shortNames: row.shortNames } : {}),
    ...(row.categories.length > 0 ? { categories: row.categories } : {}),
    ...(row.subresources.length > 0 ? { subresources: row.subresources.map((sub) => aggregatedSub(row, sub)) } : {}),
  };
}

/** The aggregated document of /api (`core`) or /apis. */
export function aggregated(gvs: readonly GroupVersion[], root: 'api' | 'apis', version: 'v2' | 'v2beta1'): JsonObject {
  const wanted = gvs.filter(({ group }) => (group === '') === (root === 'api'));
  const groups = Map.groupBy(wanted, ({ group }) => group);
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: [...groups].map(([name, versions]) => ({
      metadata: { ...(name === '' ? {} : { name }), creationTimestamp: null },
      versions: versions.map((gv) => ({
        version: gv.version,
        freshness: 'Current',
        resources: gv.rows.map(aggregatedRow),
      })),
    })),
  };
}
