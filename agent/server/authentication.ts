// Who is asking: a client certificate of our authority, or a bearer token that the API server knows (TokenReview).
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type PeerCertificate, TLSSocket } from 'node:tls';
import type { Clock } from '../../host/clock.ts';
import type { ApiClient } from '../../kube/client.ts';
import { createRemembered } from './remembered.ts';

export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

interface TokenReviewStatus {
  readonly authenticated?: boolean;
  readonly user?: { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> };
}

/** Undefined: nobody we know. Rejects with `ApiError` when the API server cannot tell. */
export type Authenticate = (req: IncomingMessage, signal?: AbortSignal) => Promise<User | undefined>;

const tokenMs = 2 * 60_000;
const tries = 5;
const firstPauseMs = 500;
const maxTokenBytes = 64 * 1024;

export function createAuthentication(client: Pick<ApiClient, 'request'>, clock: Clock): Authenticate {
  // Keyed by hash, so that a heap dump holds no tokens. A token that is not known is remembered too: guessing costs the API nothing.
  const known = createRemembered<{ user: User | undefined }>(clock);

  async function review(token: string, signal?: AbortSignal): Promise<TokenReviewStatus> {
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec: { token } };
    for (let attempt = 1; ; attempt++) {
      try {
        const path = '/apis/authentication.k8s.io/v1/tokenreviews';
        const answer = await client.request<{ status?: TokenReviewStatus }>('POST', path, body, signal);
        return answer.status ?? {};
      } catch (error) {
        if (attempt === tries) throw error;
        await clock.sleep(firstPauseMs * 1.5 ** (attempt - 1), signal);
      }
    }
  }

  async function byToken(token: string, signal?: AbortSignal): Promise<User | undefined> {
    const key = createHash('sha256').update(token).digest('base64');
    const before = known.get(key);
    if (before) return before.user;
    const user = userOfReview(await review(token, signal));
    known.set(key, { user }, tokenMs);
    return user;
  }

  return async (req, signal) => {
    const byCertificate = certificateUser(req);
    if (byCertificate) return byCertificate;
    const token = bearerToken(req.headers.authorization);
    return token === undefined ? undefined : byToken(token, signal);
  };
}

export function bearerToken(header: string | undefined): string | undefined {
  if (header === undefined || header.length > maxTokenBytes) return undefined;
  return /^bearer +([^\s,]+) *$/i.exec(header)?.[1];
}

const withAuthenticated = (groups: readonly string[]): readonly string[] => [
  ...groups.filter((group) => group !== 'system:authenticated'),
  'system:authenticated',
];

function userOfReview({ authenticated, user }: TokenReviewStatus): User | undefined {
  if (authenticated !== true || !user?.username) return undefined;
  const { username, uid, groups = [], extra } = user;
  return { name: username, groups: withAuthenticated(groups), ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
}

function certificateUser(req: IncomingMessage): User | undefined {
  const { socket } = req;
  // Certificates are asked for, not demanded, so that tokens work too: an unverified one counts for nothing.
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  return subjectUser(socket.getPeerCertificate());
}

/** The common name is the user, each organisation a group (RFC 4514 attributes, one value each). */
export function subjectUser(certificate: Pick<PeerCertificate, 'subject'>): User | undefined {
  const { CN, O } = (certificate.subject ?? {}) as { CN?: string | string[]; O?: string | string[] };
  const name = [CN ?? []].flat().at(-1);
  return name ? { name, groups: withAuthenticated([O ?? []].flat()) } : undefined;
}
