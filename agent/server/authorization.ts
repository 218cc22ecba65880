// Whether the one who asks may: the API server's word by SubjectAccessReview, remembered for a while.
import type { Clock } from '../../host/clock.ts';
import type { ApiClient } from '../../kube/client.ts';
import type { User } from './authentication.ts';
import { createRemembered } from './remembered.ts';
import type { Attributes } from './rules/attributes.ts';

export type AuthorizationMode = 'Webhook' | 'AlwaysAllow';

/** Rejects with `ApiError` when the API server cannot tell. */
export type Authorize = (user: User, attributes: Attributes, signal?: AbortSignal) => Promise<boolean>;

const allowedMs = 5 * 60_000;
const deniedMs = 30_000;

export function createAuthorization(
  mode: AuthorizationMode,
  client: Pick<ApiClient, 'request'>,
  nodeName: string,
  clock: Clock,
): Authorize {
  if (mode === 'AlwaysAllow') return () => Promise.resolve(true);
  const answers = createRemembered<{ allowed: boolean }>(clock);

  async function ask(user: User, verb: string, subresource: string, signal?: AbortSignal): Promise<boolean> {
    const spec = {
      user: user.name,
      groups: user.groups,
      ...(user.uid ? { uid: user.uid } : {}),
      ...(user.extra ? { extra: user.extra } : {}),
      resourceAttributes: { verb, version: 'v1', resource: 'nodes', subresource, name: nodeName },
    };
    const key = JSON.stringify(spec);
    const before = answers.get(key);
    if (before) return before.allowed;
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', metadata: {}, spec };
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    const { status } = await client.request<{ status?: { allowed?: boolean } }>('POST', path, body, signal);
    const allowed = status?.allowed === true;
    answers.set(key, { allowed }, allowed ? allowedMs : deniedMs);
    return allowed;
  }

  return async (user, { verb, subresources }, signal) => {
    for (const subresource of subresources) {
      if (await ask(user, verb, subresource, signal)) return true;
    }
    return false;
  };
}
