// What the API serves, each resource once, through its group's preferred version.
import type { ApiClient } from '../../kube/client.ts';
import type { Resource } from '../../kube/resources.ts';
import type { KubeObject } from '../../kube/types.ts';

export interface ServedResource {
  readonly of: Resource<KubeObject>;
  readonly verbs: readonly string[];
}

export interface Discovery {
  readonly served: readonly ServedResource[];
  /** Group versions that could not be asked, and why. */
  readonly failures: readonly string[];
}

interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

interface GroupList {
  readonly groups: readonly {
    readonly name: string;
    readonly preferredVersion: { readonly version: string };
  }[];
}

export async function discover(client: ApiClient, signal: AbortSignal): Promise<Discovery> {
  const { groups } = await client.request<GroupList>('GET', '/apis', undefined, signal);
  const versions = [
    { group: '', version: 'v1', path: '/api/v1' },
    ...groups.map(({ name, preferredVersion: { version } }) => ({
      group: name,
      version,
      path: `/apis/${name}/${version}`,
    })),
  ];
  const served: ServedResource[] = [];
  const failures: string[] = [];
  for (const { group, version, path } of versions) {
    try {
      const { resources } = await client.request<{ resources: ApiResource[] }>('GET', path, undefined, signal);
      for (const { name, kind, namespaced, verbs } of resources) {
        if (!name.includes('/')) served.push({ of: { group, version, plural: name, kind, namespaced }, verbs });
      }
    } catch (error) {
      signal.throwIfAborted();
      failures.push(`${path.replace(/^\/apis?\//, '')}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { served, failures };
}
