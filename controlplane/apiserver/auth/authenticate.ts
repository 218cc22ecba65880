// Who is asking: a client certificate of our CA, or a ServiceAccount's token, or nobody.
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { User } from '../model.ts';
import { unauthorized } from '../rules/status-error.ts';
import type { Tokens } from './tokens.ts';

export const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

const asList = (value: string | string[] | undefined): string[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

/** CN is the user, every O a group. Undefined where no certificate was sent. Throws 401 for one that is not ours. */
function fromCertificate(socket: TLSSocket): User | undefined {
  const certificate = socket.getPeerCertificate();
  if (!certificate || Object.keys(certificate).length === 0) return undefined;
  const name = asList(certificate.subject?.CN)[0];
  if (!socket.authorized || !name) throw unauthorized();
  return { name, groups: [...asList(certificate.subject.O), 'system:authenticated'] };
}

/** More than one space after "Bearer" is forgiven: shell recipes cut tokens out of tables. */
function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer\s+(\S+)\s*$/i.exec(header ?? '')?.[1];
}

/** The caller; `anonymous` without credentials. Throws a 401 `StatusError` for credentials that do not hold. */
export async function authenticate(
  incoming: IncomingMessage,
  tokens: Tokens,
  audiences: readonly string[],
): Promise<User> {
  const known = fromCertificate(incoming.socket as TLSSocket);
  if (known) return known;
  const header = incoming.headers.authorization;
  if (header === undefined) return anonymous;
  const token = bearerToken(header);
  const checked = token === undefined ? undefined : await tokens.check(token, audiences);
  if (!checked) throw unauthorized();
  return checked.user;
}
