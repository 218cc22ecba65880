// Bootstrap tokens, "abcdef.0123456789abcdef": a machine that wants to join is known by a Secret of kube-system.
import { createHash, timingSafeEqual } from 'node:crypto';
import { type ApiObject, object as objectOf, text, type User } from '../model.ts';
import type { Lookup, Tokens } from './tokens.ts';

const shape = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const group = 'system:bootstrappers';
const groupShape = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/** Checks them beside what `tokens` checks. */
export function withBootstrapTokens(tokens: Tokens, lookup: Lookup, clock: { now(): number }): Tokens {
  return {
    ...tokens,
    check: async (token, audiences) => {
      const [, id, secret] = shape.exec(token) ?? [];
      if (id === undefined || secret === undefined) return tokens.check(token, audiences);
      const object = await lookup('Secret', 'kube-system', `bootstrap-token-${id}`);
      const user = object && bootstrapUser(object, id, secret, clock.now());
      return user && { user, audiences: [...audiences] };
    },
  };
}

/** Undefined where the Secret does not vouch for this token, or no longer. */
export function bootstrapUser(secret: ApiObject, id: string, sent: string, nowMs: number): User | undefined {
  const field = (name: string): string => Buffer.from(text(objectOf(secret['data'])[name]), 'base64').toString('utf8');
  const expiration = field('expiration');
  const holds =
    secret['type'] === 'bootstrap.kubernetes.io/token' &&
    secret.metadata.deletionTimestamp === undefined &&
    field('token-id') === id &&
    isSame(field('token-secret'), sent) &&
    field('usage-bootstrap-authentication') === 'true' &&
    // A time that cannot be read counts as one that is over.
    (expiration === '' || Date.parse(expiration) > nowMs);
  if (!holds) return undefined;
  const extra = field('auth-extra-groups')
    .split(',')
    .filter((one) => groupShape.test(one));
  return { name: `system:bootstrap:${id}`, groups: [group, ...extra, 'system:authenticated'] };
}

/** Takes as long for a wrong secret as for the right one. */
function isSame(one: string, other: string): boolean {
  const digest = (value: string): Buffer => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(one), digest(other));
}
