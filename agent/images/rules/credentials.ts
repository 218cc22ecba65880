// Which credentials go to which registry: never to another one than they were made for.
import type { Secret } from '../../../kube/types.ts';
import type { RegistryCredentials } from '../../docker/engine.ts';
import type { ImageReference } from './reference.ts';

/** One line of a docker config: a registry, perhaps with a path or wildcards, and how to sign in there. */
export interface Keyring {
  readonly where: string;
  readonly credentials: RegistryCredentials;
}

interface AuthEntry {
  username?: string;
  password?: string;
  auth?: string;
  identitytoken?: string;
}

const decoded = (base64: string | undefined): string => Buffer.from(base64 ?? '', 'base64').toString('utf8');

/** The entries of a docker config's text; broken ones give none, as upstream has it. */
export function keyringsOf(text: string, isLegacy = false): Keyring[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return [];
  }
  const table = isLegacy ? parsed : (parsed as { auths?: unknown } | null)?.auths;
  if (typeof table !== 'object' || table === null) return [];
  return Object.entries(table as Record<string, AuthEntry | null>).flatMap(([where, entry]) => {
    const [user = '', ...password] = decoded(entry?.auth).split(':');
    const username = entry?.username || user;
    const secret = entry?.password || password.join(':');
    const token = entry?.identitytoken;
    if (username === '' && !token) return [];
    const credentials = {
      username,
      password: secret,
      serverAddress: where,
      ...(token ? { identityToken: token } : {}),
    };
    return [{ where, credentials }];
  });
}

/** The entries of an image pull secret, of either kind. */
export function keyringsOfSecret(secret: Secret): Keyring[] {
  const data = secret.data ?? {};
  if (secret.type === 'kubernetes.io/dockerconfigjson') return keyringsOf(decoded(data['.dockerconfigjson']));
  if (secret.type === 'kubernetes.io/dockercfg') return keyringsOf(decoded(data['.dockercfg']), true);
  return [];
}

const hub = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

function split(where: string): { host: string; path: string } {
  const bare = where.replace(/^https?:\/\//, '').replace(/\/+$/, '');
  const slash = bare.indexOf('/');
  const host = slash < 0 ? bare : bare.slice(0, slash);
  const path = slash < 0 ? '' : bare.slice(slash + 1).replace(/^v[12](\/|$)/, '');
  return { host: hub.has(host) ? 'docker.io' : host, path };
}

/** "*.foo.io" matches one label for the star; ports must be the same. */
function hostMatches(pattern: string, host: string): boolean {
  const [patternName = '', patternPort = ''] = pattern.split(':');
  const [name = '', port = ''] = host.split(':');
  if (patternPort !== port) return false;
  const patternLabels = patternName.split('.');
  const labels = name.split('.');
  return (
    patternLabels.length === labels.length && patternLabels.every((label, at) => labelMatches(label, labels[at] ?? ''))
  );
}

function labelMatches(pattern: string, label: string): boolean {
  const parts = pattern.split('*');
  if (parts.length === 1) return pattern === label;
  const [first = '', ...rest] = parts;
  const last = rest.pop() ?? '';
  if (!label.startsWith(first) || !label.endsWith(last) || label.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of rest) {
    at = label.indexOf(part, at);
    if (at < 0 || at + part.length > label.length - last.length) return false;
    at += part.length;
  }
  return true;
}

/** Those that may sign in for this image, the most particular first. */
export function credentialsFor(
  reference: ImageReference,
  keyrings: readonly Keyring[],
): readonly RegistryCredentials[] {
  return keyrings
    .filter(({ where }) => {
      const { host, path } = split(where);
      return hostMatches(host, reference.registry) && (path === '' || `${reference.path}/`.startsWith(`${path}/`));
    })
    .toSorted((a, b) => b.where.length - a.where.length)
    .map(({ credentials }) => credentials);
}
