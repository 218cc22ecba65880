// `nodelet token create|list|delete`: the Secrets of kube-system by which machines may join.
import { createHash, randomInt, X509Certificate } from 'node:crypto';
import { type ApiClient, type ApiEndpoint, createApiClient } from '../kube/client.ts';
import { loadKubeconfig } from '../kube/kubeconfig.ts';
import { secrets } from '../kube/resources.ts';
import type { Secret } from '../kube/types.ts';
import { FlagError } from './up-flags.ts';

export const tokenShape = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const namespace = 'kube-system';
const type = 'bootstrap.kubernetes.io/token' as const;
const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
/** The group that kubeadm gives its tokens: clusters made by it know no other. */
const group = 'system:bootstrappers:kubeadm:default-node-token';

export interface CreateFlags {
  readonly kubeconfig: string;
  readonly ttl: string;
  readonly description?: string;
  readonly printJoinCommand?: boolean;
}

/** Prints the token, or the line that makes a machine a node. */
export async function createToken(given: string | undefined, flags: CreateFlags, signal: AbortSignal): Promise<void> {
  const token = given ?? `${randomText(6)}.${randomText(16)}`;
  const [, id, secret] = tokenShape.exec(token) ?? [];
  if (id === undefined || secret === undefined)
    throw new FlagError(`token "${token}" cannot be used: want 6 and 16 lower-case letters or digits with "." between`);
  const lifeMs = parseTtl(flags.ttl);
  await withClient(flags.kubeconfig, async (client, endpoint) => {
    const expiration = lifeMs === 0 ? undefined : `${new Date(Date.now() + lifeMs).toISOString().slice(0, 19)}Z`;
    const fields = {
      'token-id': id,
      'token-secret': secret,
      ...(expiration ? { expiration } : {}),
      ...(flags.description ? { description: flags.description } : {}),
      'usage-bootstrap-authentication': 'true',
      'usage-bootstrap-signing': 'true',
      'auth-extra-groups': group,
    };
    const data = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, encode(value)]));
    const metadata = { name: `bootstrap-token-${id}`, namespace } as Secret['metadata'];
    await client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata, type, data }, signal);
    console.log(flags.printJoinCommand ? joinCommand(endpoint, token) : token);
  });
}

function joinCommand({ server, ca }: ApiEndpoint, token: string): string {
  if (!ca) throw new Error('the kubeconfig has no certificate authority: machines could not know the server');
  return `nodelet join ${server} --token ${token} --discovery-token-ca-cert-hash ${caHash(ca)}`;
}

/** How kubeadm pins an authority: the SHA-256 of its public key. */
export function caHash(pem: string): string {
  const key = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(key).digest('hex')}`;
}

export async function listTokens({ kubeconfig }: { kubeconfig: string }, signal: AbortSignal): Promise<void> {
  await withClient(kubeconfig, async (client) => {
    const { items } = await client.list(secrets, { namespace, fieldSelector: `type=${type}` }, signal);
    console.log(renderTokens(items, Date.now()));
  });
}

/** The table that `kubeadm token list` prints. */
export function renderTokens(tokens: readonly Secret[], nowMs: number): string {
  const usages = ['authentication', 'signing'];
  const rows = tokens.map((token) => {
    const field = (name: string): string => decode(token.data?.[name]);
    const used = usages.filter((one) => field(`usage-bootstrap-${one}`) === 'true').join(',');
    const expires = field('expiration');
    const cells = [
      remaining(expires, nowMs),
      expires || '<never>',
      used,
      field('description'),
      field('auth-extra-groups'),
    ];
    return [`${field('token-id')}.${field('token-secret')}`, ...cells.map((one) => one || '<none>')];
  });
  return columns([['TOKEN', 'TTL', 'EXPIRES', 'USAGES', 'DESCRIPTION', 'EXTRA GROUPS'], ...rows]);
}

function remaining(expires: string, nowMs: number): string {
  if (expires === '') return '<forever>';
  const minutes = Math.floor((Date.parse(expires) - nowMs) / 60_000);
  if (!(minutes >= 0)) return '<invalid>';
  return minutes >= 60 ? `${Math.floor(minutes / 60)}h` : `${minutes}m`;
}

/** Rows of equal width, three blanks apart. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd((widths[at] ?? 0) + 3))
        .join('')
        .trimEnd(),
    )
    .join('\n');
}

/** By its id, or whole. */
export async function deleteToken(
  token: string,
  { kubeconfig }: { kubeconfig: string },
  signal: AbortSignal,
): Promise<void> {
  const id = tokenShape.exec(token)?.[1] ?? /^[a-z0-9]{6}$/.exec(token)?.[0];
  if (id === undefined) throw new FlagError(`token "${token}" cannot be used: want a token, or its first 6 characters`);
  await withClient(kubeconfig, async (client) => {
    await client.delete(secrets, { namespace, name: `bootstrap-token-${id}` }, undefined, signal);
    console.log(`bootstrap token "${id}" deleted`);
  });
}

async function withClient(
  kubeconfig: string,
  work: (client: ApiClient, endpoint: ApiEndpoint) => Promise<void>,
): Promise<void> {
  const endpoint = await loadKubeconfig(kubeconfig);
  const client = createApiClient(endpoint);
  try {
    await work(client, endpoint);
  } finally {
    await client.close();
  }
}

function parseTtl(text: string): number {
  if (text === '0') return 0;
  if (!/^(\d+[hms])+$/.test(text))
    throw new FlagError(`--ttl "${text}" cannot be used: want a time such as 24h or 30m, or 0 for a token without end`);
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000 };
  return [...text.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * (units[unit ?? ''] ?? 0),
    0,
  );
}

const randomText = (length: number): string =>
  Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
const encode = (text: string): string => Buffer.from(text).toString('base64');
const decode = (data: string | undefined): string => Buffer.from(data ?? '', 'base64').toString('utf8');
