// Tokens for pods' service accounts, bound to the pod, asked for once and kept until 80 % of their life. KEP-1205.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { serviceAccounts } from '../../kube/resources.ts';
import type { Pod } from '../../kube/types.ts';
import { type IssuedToken, isTokenDue, isTokenExpired } from './rules/token-age.ts';

export interface ServiceAccountTokens {
  /** `audience` "": the API server's own. Throws where there is no token and the API gives none. */
  token(pod: Pod, audience: string, expirationSeconds: number, signal?: AbortSignal): Promise<string>;
  /** Forgets the tokens of all other pods. */
  retain(podUids: ReadonlySet<string>): void;
}

interface Token extends IssuedToken {
  readonly text: string;
  readonly podUid: string;
  readonly jitterMs: number;
}

interface TokenRequest {
  readonly status: { readonly token: string; readonly expirationTimestamp: string };
}

const jitterMs = 10_000;

export function createServiceAccountTokens(client: ApiClient, clock: Clock, log: Log): ServiceAccountTokens {
  const tokens = new Map<string, Token>();
  const asked = new Map<string, Promise<Token>>();

  async function ask(pod: Pod, audience: string, expirationSeconds: number, signal?: AbortSignal): Promise<Token> {
    const { name, namespace, uid } = pod.metadata;
    const request = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: audience === '' ? [] : [audience],
        expirationSeconds,
        boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid },
      },
    };
    const at = { namespace, name: pod.spec.serviceAccountName ?? 'default' };
    const issuedAtMs = clock.now();
    const { status } = await client.post<TokenRequest>(serviceAccounts, at, 'token', request, signal);
    const expiresAtMs = Date.parse(status.expirationTimestamp);
    return { text: status.token, podUid: uid, issuedAtMs, expiresAtMs, jitterMs: Math.random() * jitterMs };
  }

  async function renewed(key: string, start: () => Promise<Token>): Promise<Token> {
    const going = asked.get(key) ?? start();
    asked.set(key, going);
    try {
      const token = await going;
      tokens.set(key, token);
      return token;
    } finally {
      asked.delete(key);
    }
  }

  return {
    async token(pod, audience, expirationSeconds, signal) {
      const { namespace, uid } = pod.metadata;
      const key = JSON.stringify([pod.spec.serviceAccountName, namespace, audience, expirationSeconds, uid]);
      const known = tokens.get(key);
      if (known && !isTokenDue(known, clock.now(), known.jitterMs)) return known.text;
      try {
        return (await renewed(key, () => ask(pod, audience, expirationSeconds, signal))).text;
      } catch (err) {
        if (!known || isTokenExpired(known, clock.now())) throw err;
        log.warn({ pod: `${namespace}/${pod.metadata.name}`, podUid: uid, err }, 'Service account token not renewed');
        return known.text;
      }
    },
    retain: (podUids) => {
      for (const [key, { podUid }] of tokens) if (!podUids.has(podUid)) tokens.delete(key);
    },
  };
}
