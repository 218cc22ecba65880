// What a machine can learn before it trusts anybody: cluster-info in kube-public, signed by every bootstrap token; and the end of tokens.
import { createHmac } from 'node:crypto';
import { configMaps, secrets } from '../../../kube/resources.ts';
import type { ConfigMap, Secret } from '../../../kube/types.ts';
import { type Controller, looksNoFurther, nothing, type Outcome, watch } from '../../model.ts';

const signaturePrefix = 'jws-kubeconfig-';
export const clusterInfo = { namespace: 'kube-public', name: 'cluster-info' };
export const tokenSecrets = { namespace: 'kube-system', fieldSelector: 'type=bootstrap.kubernetes.io/token' };

const field = (secret: Secret, name: string): string =>
  Buffer.from(secret.data?.[name] ?? '', 'base64').toString('utf8');

/** A detached JWS (RFC 7515, appendix F) under HS256: it proves the text to whoever knows the token. */
export function signatureOf(text: string, tokenId: string, tokenSecret: string): string {
  const encoded = (value: string): string => Buffer.from(value).toString('base64url');
  const header = encoded(JSON.stringify({ alg: 'HS256', kid: tokenId }));
  const signature = createHmac('sha256', tokenSecret)
    .update(`${header}.${encoded(text)}`)
    .digest('base64url');
  return `${header}..${signature}`;
}

/** The data of cluster-info: the text, and a signature for each token that may sign. */
export function clusterInfoData(kubeconfig: string, tokens: readonly Secret[], nowMs: number): Record<string, string> {
  const signing = tokens.filter(
    (token) => field(token, 'usage-bootstrap-signing') === 'true' && (expiryMs(token) ?? Infinity) > nowMs,
  );
  const signatures = signing.map((token): [string, string] => {
    const id = field(token, 'token-id');
    return [`${signaturePrefix}${id}`, signatureOf(kubeconfig, id, field(token, 'token-secret'))];
  });
  return Object.fromEntries([['kubeconfig', kubeconfig], ...signatures.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Undefined where the token has no end; one that cannot be read has passed. */
function expiryMs(token: Secret): number | undefined {
  const text = field(token, 'expiration');
  if (text === '') return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? 0 : ms;
}

export function planClusterInfo(known: ConfigMap | undefined, data: Record<string, string>): Outcome {
  const metadata = { ...known?.metadata, ...clusterInfo };
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
  if (!known)
    return { actions: [{ do: 'Create', of: configMaps, object, because: 'machines that join read it first' }] };
  const wanted = JSON.stringify(Object.entries(data).sort());
  if (JSON.stringify(Object.entries(known.data ?? {}).sort()) === wanted) return nothing;
  return { actions: [{ do: 'Update', of: configMaps, object, because: 'tokens or the address have changed' }] };
}

const clusterInfoKey = `${clusterInfo.namespace}/${clusterInfo.name}`;

/** One worker: every token's change is a change of the one object. */
export function clusterInfoController(kubeconfig: string): Controller {
  return {
    name: 'cluster-info',
    watches: [
      watch(secrets, () => [clusterInfoKey]),
      watch(configMaps, ({ metadata }) => (metadata.name === clusterInfo.name ? [clusterInfoKey] : [])),
    ],
    seeds: [clusterInfoKey],
    workers: 1,
    look: looksNoFurther,
    reconcile: (key, view, nowMs) =>
      planClusterInfo(view.get(configMaps, key), clusterInfoData(kubeconfig, view.list(secrets), nowMs)),
  };
}

/** Removes tokens when their time is over. */
export const tokenCleaner: Controller = {
  name: 'token-cleaner',
  watches: [watch(secrets, ({ metadata }) => [`${metadata.namespace}/${metadata.name}`])],
  look: looksNoFurther,
  reconcile: (key, view, nowMs) => {
    const token = view.get(secrets, key);
    const ends = token && expiryMs(token);
    if (!token || ends === undefined) return nothing;
    if (ends > nowMs) return { actions: [], againInMs: Math.min(ends - nowMs, 2 ** 31 - 1) };
    const { name, namespace } = token.metadata;
    return { actions: [{ do: 'Delete', of: secrets, at: { namespace, name }, because: 'the token has expired' }] };
  },
};
