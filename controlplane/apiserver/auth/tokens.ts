// ServiceAccount tokens: signed, and checked against the objects that they are bound to.
import { createHash, createPublicKey, randomUUID } from 'node:crypto';
import { exportJWK, importPKCS8, importSPKI, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { ApiObject, User } from '../model.ts';

export interface TokenKeys {
  readonly issuer: string;
  readonly signingKeyPem: string;
  readonly publicKeyPem: string;
}

/** An object that a token dies with. */
export interface BoundObject {
  readonly kind: 'Pod' | 'Node' | 'Secret';
  readonly name: string;
  readonly uid: string;
}

export interface TokenWish {
  readonly namespace: string;
  readonly account: { readonly name: string; readonly uid: string };
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly bound?: BoundObject;
  /** The node of a bound pod. */
  readonly node?: { readonly name: string; readonly uid: string };
}

export interface Tokens {
  issue(wish: TokenWish): Promise<{ token: string; expires: string }>;
  /** Undefined for what is not a valid token for one of `audiences`. */
  check(token: string, audiences: readonly string[]): Promise<{ user: User; audiences: string[] } | undefined>;
  readonly issuer: string;
  /** The public key as /openid/v1/jwks shows it. */
  keySet(): Promise<{ keys: object[] }>;
}

/** Finds what a token names; undefined where it is gone. */
export type Lookup = (
  kind: 'ServiceAccount' | BoundObject['kind'],
  namespace: string,
  name: string,
) => Promise<ApiObject | undefined>;

interface Claims extends JWTPayload {
  'kubernetes.io'?: {
    namespace?: string;
    serviceaccount?: { name?: string; uid?: string };
    pod?: { name: string; uid: string };
    secret?: { name: string; uid: string };
    node?: { name: string; uid: string };
  };
}

const maxTokenLength = 16 * 1024;

/** RS256 for RSA keys, ES256 for P-256. */
const algorithmOf = (publicKeyPem: string): string =>
  createPublicKey(publicKeyPem).asymmetricKeyType === 'ec' ? 'ES256' : 'RS256';

const keyId = (publicKeyPem: string): string =>
  createHash('sha256')
    .update(createPublicKey(publicKeyPem).export({ type: 'spki', format: 'der' }))
    .digest('base64url');

export function createTokens(keys: TokenKeys, lookup: Lookup, clock: { now(): number }): Tokens {
  const alg = algorithmOf(keys.publicKeyPem);
  const kid = keyId(keys.publicKeyPem);
  const signing = importPKCS8(keys.signingKeyPem, alg);
  const verifying = importSPKI(keys.publicKeyPem, alg, { extractable: true });
  // Whoever awaits them first sees the failure; nobody else needs to hear of it.
  signing.catch(() => undefined);
  verifying.catch(() => undefined);

  async function issue(wish: TokenWish): Promise<{ token: string; expires: string }> {
    const nowSeconds = Math.floor(clock.now() / 1000);
    const until = nowSeconds + wish.expirationSeconds;
    const { bound, node } = wish;
    const named = bound ? { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } } : {};
    const claims = {
      'kubernetes.io': {
        namespace: wish.namespace,
        ...(node ? { node } : {}),
        ...named,
        serviceaccount: wish.account,
      },
    };
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg, kid })
      .setIssuer(keys.issuer)
      .setSubject(`system:serviceaccount:${wish.namespace}:${wish.account.name}`)
      .setAudience([...wish.audiences])
      .setIssuedAt(nowSeconds)
      .setNotBefore(nowSeconds)
      .setExpirationTime(until)
      .setJti(randomUUID())
      .sign(await signing);
    return { token, expires: `${new Date(until * 1000).toISOString().slice(0, 19)}Z` };
  }

  async function verified(token: string, audiences: readonly string[]): Promise<Claims | undefined> {
    if (token.length > maxTokenLength) return undefined;
    try {
      const options = {
        issuer: keys.issuer,
        audience: [...audiences],
        algorithms: [alg],
        currentDate: new Date(clock.now()),
      };
      return (await jwtVerify<Claims>(token, await verifying, options)).payload;
    } catch {
      return undefined;
    }
  }

  /** What the token names must still be there, and be the same. */
  async function isAlive(claims: Claims, namespace: string): Promise<boolean> {
    const { serviceaccount, pod, secret, node } = claims['kubernetes.io'] ?? {};
    const named = [
      ['ServiceAccount', namespace, serviceaccount],
      ['Pod', namespace, pod],
      ['Secret', namespace, secret],
      ...(pod ? [] : ([['Node', '', node]] as const)),
    ] as const;
    for (const [kind, where, one] of named) {
      if (!one) continue;
      const object = await lookup(kind, where, one.name ?? '');
      if (!object || object.metadata.uid !== one.uid) return false;
      const goneMs = Date.parse(object.metadata.deletionTimestamp ?? '');
      // Upstream lets tokens of deleted objects live for another minute.
      if (goneMs + 60_000 < clock.now()) return false;
    }
    return true;
  }

  async function check(
    token: string,
    audiences: readonly string[],
  ): Promise<{ user: User; audiences: string[] } | undefined> {
    const claims = await verified(token, audiences);
    const { namespace, serviceaccount, pod, node } = claims?.['kubernetes.io'] ?? {};
    if (!claims || !namespace || !serviceaccount?.name || !serviceaccount.uid) return undefined;
    if (!(await isAlive(claims, namespace))) return undefined;
    const extra = {
      ...(claims.jti ? { 'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`] } : {}),
      ...(node
        ? { 'authentication.kubernetes.io/node-name': [node.name], 'authentication.kubernetes.io/node-uid': [node.uid] }
        : {}),
      ...(pod
        ? { 'authentication.kubernetes.io/pod-name': [pod.name], 'authentication.kubernetes.io/pod-uid': [pod.uid] }
        : {}),
    };
    const user: User = {
      name: `system:serviceaccount:${namespace}:${serviceaccount.name}`,
      uid: serviceaccount.uid,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
      extra,
    };
    const held = Array.isArray(claims.aud) ? claims.aud : [claims.aud ?? ''];
    return { user, audiences: held.filter((one) => audiences.includes(one)) };
  }

  async function keySet(): Promise<{ keys: object[] }> {
    return { keys: [{ ...(await exportJWK(await verifying)), kid, alg, use: 'sig' }] };
  }

  return { issue, check, keySet, issuer: keys.issuer };
}
