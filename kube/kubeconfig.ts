// kubeconfig files: the context in use becomes an endpoint; what we write is what kubectl writes.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import type { ApiEndpoint } from './client.ts';

/** A kubeconfig that cannot be used; the message names the file and the field. */
export class KubeconfigError extends Error {
  override readonly name = 'KubeconfigError';
}

interface ExecConfig {
  apiVersion?: string;
  command?: string;
  args?: string[];
  env?: { name: string; value: string }[];
}

interface Cluster {
  server?: string;
  'certificate-authority'?: string;
  'certificate-authority-data'?: string;
  'insecure-skip-tls-verify'?: boolean;
  'tls-server-name'?: string;
}

interface User {
  'client-certificate'?: string;
  'client-certificate-data'?: string;
  'client-key'?: string;
  'client-key-data'?: string;
  token?: string;
  tokenFile?: string;
  exec?: ExecConfig;
}

interface Kubeconfig {
  'current-context'?: string;
  clusters?: { name: string; cluster: Cluster }[];
  users?: { name: string; user: User }[];
  contexts?: { name: string; context: { cluster: string; user: string; namespace?: string } }[];
}

const tokenLifeMs = 60_000;
const execTimeoutMs = 60_000;

/** Reads the current context of a kubeconfig file. Relative file names in it are relative to it. Throws `KubeconfigError`. */
export async function loadKubeconfig(path: string): Promise<ApiEndpoint> {
  const bad = (words: string, cause?: unknown): never => {
    throw new KubeconfigError(`Cannot use kubeconfig "${path}": ${words}`, { cause });
  };
  const text = await readFile(path, 'utf8').catch((cause: Error) => bad(cause.message, cause));
  let config: Kubeconfig;
  try {
    config = (parse(text) ?? {}) as Kubeconfig;
  } catch (cause) {
    return bad(`it is not YAML: ${(cause as Error).message.split('\n')[0]}`, cause);
  }
  const current = config['current-context'] || config.contexts?.[0]?.name;
  const context = config.contexts?.find((one) => one.name === current)?.context;
  if (!context) return bad(`current-context "${current ?? ''}" is not among its contexts`);
  const cluster = config.clusters?.find((one) => one.name === context.cluster)?.cluster;
  if (!cluster) return bad(`cluster "${context.cluster}" is not among its clusters`);
  if (!cluster.server || !URL.canParse(cluster.server))
    return bad(`clusters["${context.cluster}"].server is not a URL`);
  const user = config.users?.find((one) => one.name === context.user)?.user ?? {};
  const file = (name: string): Promise<string> =>
    readFile(resolve(dirname(path), name), 'utf8').catch((cause: Error) => bad(cause.message, cause));
  const text64 = (data: string): string => Buffer.from(data, 'base64').toString('utf8');
  const pem = async (data: string | undefined, name: string | undefined): Promise<string | undefined> =>
    data ? text64(data) : name ? file(name) : undefined;

  const ca = await pem(cluster['certificate-authority-data'], cluster['certificate-authority']);
  const cert = await pem(user['client-certificate-data'], user['client-certificate']);
  const key = await pem(user['client-key-data'], user['client-key']);
  const token = tokenSource(user, file);
  return {
    server: cluster.server,
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(token ? { token } : {}),
    ...(cluster['insecure-skip-tls-verify'] ? { insecureSkipVerify: true } : {}),
    ...(cluster['tls-server-name'] ? { serverName: cluster['tls-server-name'] } : {}),
  };
}

function tokenSource(user: User, file: (name: string) => Promise<string>): (() => Promise<string>) | undefined {
  const { token, tokenFile, exec } = user;
  if (tokenFile)
    return cached(async () => ({ token: (await file(tokenFile)).trim(), untilMs: Date.now() + tokenLifeMs }));
  if (token) return async () => token;
  if (exec?.command) return cached(() => execCredential(exec));
  return undefined;
}

function cached(fetch: () => Promise<{ token: string; untilMs: number }>): () => Promise<string> {
  let held: Promise<{ token: string; untilMs: number }> | undefined;
  return async () => {
    const now = held && (await held.catch(() => undefined));
    if (!now || now.untilMs <= Date.now()) held = fetch();
    return (await (held as Promise<{ token: string; untilMs: number }>)).token;
  };
}

/** Runs a credential plugin (client.authentication.k8s.io ExecCredential). */
async function execCredential(exec: ExecConfig): Promise<{ token: string; untilMs: number }> {
  const apiVersion = exec.apiVersion ?? 'client.authentication.k8s.io/v1';
  const info = JSON.stringify({ apiVersion, kind: 'ExecCredential', spec: { interactive: false } });
  const env = Object.fromEntries((exec.env ?? []).map(({ name, value }) => [name, value]));
  const command = exec.command ?? '';
  try {
    const { stdout } = await promisify(execFile)(command, exec.args ?? [], {
      env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: info },
      timeout: execTimeoutMs,
    });
    const status = (JSON.parse(stdout) as { status?: { token?: string; expirationTimestamp?: string } }).status;
    if (!status?.token) throw new Error('its answer has no status.token');
    const untilMs = status.expirationTimestamp
      ? Date.parse(status.expirationTimestamp) - 10_000
      : Date.now() + tokenLifeMs;
    return { token: status.token, untilMs };
  } catch (cause) {
    throw new KubeconfigError(`Cannot get a token from "${command}": ${(cause as Error).message}`, { cause });
  }
}

export interface KubeconfigFacts {
  readonly cluster: string;
  readonly user: string;
  readonly server: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The text of a kubeconfig with one cluster, one user and certificates inside. */
export function renderKubeconfig({ cluster, user, server, ca, cert, key }: KubeconfigFacts): string {
  const data = (pem: string): string => Buffer.from(pem).toString('base64');
  const context = `${user}@${cluster}`;
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': data(ca) } }],
    users: [{ name: user, user: { 'client-certificate-data': data(cert), 'client-key-data': data(key) } }],
    contexts: [{ name: context, context: { cluster, user } }],
    'current-context': context,
    preferences: {},
  });
}

/** The text of a kubeconfig that says where a cluster is, and nothing about who asks: what a machine that joins reads first. */
export function renderClusterInfo({ server, ca }: Pick<KubeconfigFacts, 'server' | 'ca'>): string {
  const cluster = { 'certificate-authority-data': Buffer.from(ca).toString('base64'), server };
  return stringify({
    apiVersion: 'v1',
    clusters: [{ cluster, name: '' }],
    contexts: null,
    'current-context': '',
    kind: 'Config',
    preferences: {},
    users: null,
  });
}
