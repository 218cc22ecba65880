// ConfigMaps, Secrets and tokens in memory, which tell of their changes as the API's watches do.
import type { PodObjects } from '../../agent/model.ts';
import type { ConfigMap, Secret } from '../../kube/types.ts';

export interface FakePodObjects extends PodObjects {
  putConfigMap(name: string, data: Record<string, string>, binaryData?: Record<string, string>): void;
  putSecret(name: string, data: Record<string, string>): void;
  remove(kind: 'ConfigMap' | 'Secret', name: string): void;
  /** The next tokens end with this text. */
  tokenText: string;
  /** "audience expirationSeconds" of each token asked for. */
  readonly tokenRequests: string[];
  /** Reads fail with this error while it is set. */
  failure: Error | undefined;
}

/** Everything lies in namespace "default". */
export function createFakePodObjects(): FakePodObjects {
  const namespace = 'default';
  const configMaps = new Map<string, ConfigMap>();
  const secrets = new Map<string, Secret>();
  const listeners = new Set<Parameters<PodObjects['onChange']>[0]>();
  const tell = (kind: 'ConfigMap' | 'Secret', name: string): void => {
    for (const listener of listeners) listener(kind, namespace, name);
  };
  const metadata = (name: string) => ({ name, namespace, uid: `uid-of-${name}` });
  const fake: FakePodObjects = {
    tokenText: 'one',
    tokenRequests: [],
    failure: undefined,
    putConfigMap(name, data, binaryData = {}) {
      configMaps.set(name, { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata(name), data, binaryData });
      tell('ConfigMap', name);
    },
    putSecret(name, data) {
      const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
      const secret: Secret = {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: metadata(name),
        data: Object.fromEntries(encoded),
      };
      secrets.set(name, secret);
      tell('Secret', name);
    },
    remove(kind, name) {
      (kind === 'ConfigMap' ? configMaps : secrets).delete(name);
      tell(kind, name);
    },
    async configMap(of, name) {
      if (fake.failure) throw fake.failure;
      return of === namespace ? configMaps.get(name) : undefined;
    },
    async secret(of, name) {
      if (fake.failure) throw fake.failure;
      return of === namespace ? secrets.get(name) : undefined;
    },
    services: () => [],
    async serviceAccountToken(pod, audience, expirationSeconds) {
      if (fake.failure) throw fake.failure;
      fake.tokenRequests.push(`${audience} ${expirationSeconds}`);
      return `token-of-${pod.metadata.uid}-${fake.tokenText}`;
    },
    retain: () => {},
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return fake;
}
