// Talks to a kube-apiserver: JSON over HTTPS, one object path for every kind.
import { Readable } from 'node:stream';
// Not the package's front door: that brings fetch, caches and mocks, 14 MiB that an agent never uses.
import api from 'undici/lib/api/index.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import { ApiError, reasonOf } from './errors.ts';
import { type ObjectName, type Resource, resourcePath } from './resources.ts';
import type { KubeList, KubeObject, Status, WatchEvent } from './types.ts';

/** Where the API server is and who we are. PEM texts, not file names. `token` is asked for on every request. */
export interface ApiEndpoint {
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: () => Promise<string>;
  readonly insecureSkipVerify?: boolean;
  readonly serverName?: string;
}

export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
}

export interface WatchOptions extends Omit<ListOptions, 'limit' | 'continue'> {
  readonly timeoutSeconds?: number;
}

const patchTypes = {
  strategic: 'application/strategic-merge-patch+json',
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

export interface Patch {
  readonly type: keyof typeof patchTypes;
  readonly body: unknown;
  readonly subresource?: string;
  readonly fieldManager?: string;
  readonly force?: boolean;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

/** Every method throws `ApiError`. All waits end at `signal` or at the client's own deadline (30 s; watches live on). */
export interface ApiClient {
  get<T>(of: Resource<T>, at: ObjectName, signal?: AbortSignal): Promise<T>;
  list<T>(of: Resource<T>, options?: ListOptions, signal?: AbortSignal): Promise<KubeList<T>>;
  create<T>(of: Resource<T>, object: T, signal?: AbortSignal): Promise<T>;
  update<T extends KubeObject>(of: Resource<T>, object: T, subresource?: string, signal?: AbortSignal): Promise<T>;
  patch<T>(of: Resource<T>, at: ObjectName, patch: Patch, signal?: AbortSignal): Promise<T>;
  delete<T>(of: Resource<T>, at: ObjectName, options?: DeleteOptions, signal?: AbortSignal): Promise<void>;
  /** POSTs to a subresource (binding, eviction, token) and returns the answer. */
  post<A>(of: Resource<unknown>, at: ObjectName, subresource: string, body: unknown, signal?: AbortSignal): Promise<A>;
  /** Yields until the server ends the stream; an ERROR event is thrown as `ApiError`. */
  watch<T>(of: Resource<T>, options: WatchOptions, signal: AbortSignal): AsyncIterable<WatchEvent<T>>;
  /** Any path, JSON in and out: TokenReview, discovery, health. */
  request<A>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<A>;
  close(): Promise<void>;
}

const deadlineMs = 30_000;
const maxLineBytes = 32 * 1024 * 1024;

interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
}

function pathWithQuery(outgoing: Outgoing): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(outgoing.query ?? {})) {
    if (value !== undefined && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  return text === '' ? outgoing.path : `${outgoing.path}?${text}`;
}

function parseJson<A>(what: string, text: string): A {
  try {
    return JSON.parse(text) as A;
  } catch (cause) {
    throw new ApiError(`${what}: the answer is not JSON`, { reason: 'Malformed', cause });
  }
}

function failure(what: string, code: number, text: string, retryAfter: string | undefined): ApiError {
  let status: Status | undefined;
  try {
    const body = JSON.parse(text) as Status;
    if (body?.kind === 'Status') status = body;
  } catch {
    // Proxies in between answer in HTML; the code says enough.
  }
  const seconds = Number(retryAfter ?? status?.details?.retryAfterSeconds);
  return new ApiError(`${what}: ${status?.message ?? `HTTP ${code}`}`, {
    reason: reasonOf(code, status),
    code,
    ...(status ? { status } : {}),
    ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
  });
}

/** Splits a byte stream into lines; throws when one grows past the bound. */
export async function* lines(stream: AsyncIterable<Buffer>): AsyncIterable<string> {
  let pending: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      pending.push(chunk.subarray(from, end));
      const line = pending.length === 1 ? (pending[0] as Buffer) : Buffer.concat(pending);
      if (line.length > 0) yield line.toString('utf8');
      pending = [];
      size = 0;
      from = end + 1;
    }
    if (from < chunk.length) {
      pending.push(chunk.subarray(from));
      size += chunk.length - from;
      if (size > maxLineBytes) throw new ApiError('Watch line is longer than 32 MiB', { reason: 'Malformed' });
    }
  }
  if (size > 0) throw new ApiError('Watch stream ended in the middle of a line', { reason: 'Malformed' });
}

export interface ClientOptions {
  /** Reads bring metadata alone: no spec, no status. */
  readonly metadataOnly?: boolean;
}

const metadataForms = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const metadataListForms = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/** A client whose credentials can be replaced while it is in use. */
export interface RenewableApiClient extends ApiClient {
  /** From now on by this endpoint. All connections by the former end: watches begin anew. */
  use(endpoint: ApiEndpoint): Promise<void>;
}

function poolTo(endpoint: ApiEndpoint) {
  return new Pool(endpoint.server, {
    // Each watch of a referenced object may hold one for minutes: requests must not wait behind them.
    connections: 1024,
    pipelining: 1,
    keepAliveTimeout: 60_000,
    connect: {
      timeout: 10_000,
      rejectUnauthorized: !endpoint.insecureSkipVerify,
      ...(endpoint.ca ? { ca: endpoint.ca } : {}),
      ...(endpoint.cert ? { cert: endpoint.cert } : {}),
      ...(endpoint.key ? { key: endpoint.key } : {}),
      ...(endpoint.serverName ? { servername: endpoint.serverName } : {}),
    },
  });
}

/** A certificate out of its time is as often a clock that is wrong. */
function wordsOf(cause: unknown): string {
  const { message = String(cause), code } = (cause ?? {}) as { message?: string; code?: string };
  const isAboutTime = code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID';
  return isAboutTime ? `${message}; this host's clock says ${new Date().toISOString()}` : message;
}

/** Connects to one API server with keep-alive; nothing is sent before the first request. */
export function createApiClient(
  first: ApiEndpoint,
  userAgent = 'nodelet',
  { metadataOnly = false }: ClientOptions = {},
): RenewableApiClient {
  let endpoint = first;
  let pool = poolTo(first);

  async function send(outgoing: Outgoing, bodyTimeoutMs: number) {
    const what = `Cannot ${outgoing.method} ${outgoing.path}`;
    const accept = outgoing.accept ?? 'application/json';
    const headers: Record<string, string> = { accept, 'user-agent': userAgent };
    if (outgoing.body !== undefined) headers['content-type'] = outgoing.contentType ?? 'application/json';
    if (endpoint.token) headers['authorization'] = `Bearer ${await endpoint.token()}`;
    try {
      return await api.request.call(pool, {
        method: outgoing.method as 'GET',
        path: pathWithQuery(outgoing),
        headers,
        body: outgoing.body === undefined ? null : JSON.stringify(outgoing.body),
        headersTimeout: deadlineMs,
        bodyTimeout: bodyTimeoutMs,
        ...(outgoing.signal ? { signal: outgoing.signal } : {}),
      });
    } catch (cause) {
      outgoing.signal?.throwIfAborted();
      throw new ApiError(`${what}: ${wordsOf(cause)}`, { reason: 'Unreachable', cause });
    }
  }

  const asList = metadataOnly ? { accept: metadataListForms } : {};
  const asOne = metadataOnly ? { accept: metadataForms } : {};

  async function json<A>(outgoing: Outgoing): Promise<A> {
    const what = `Cannot ${outgoing.method} ${outgoing.path}`;
    const answer = await send(outgoing, deadlineMs);
    let text: string;
    try {
      text = await answer.body.text();
    } catch (cause) {
      outgoing.signal?.throwIfAborted();
      throw new ApiError(`${what}: the answer broke off`, { reason: 'Unreachable', cause });
    }
    if (answer.statusCode >= 300) {
      throw failure(what, answer.statusCode, text, answer.headers['retry-after'] as string | undefined);
    }
    return parseJson<A>(what, text);
  }

  async function* watch<T>(of: Resource<T>, options: WatchOptions, signal: AbortSignal): AsyncIterable<WatchEvent<T>> {
    const { namespace, timeoutSeconds = 300, ...query } = options;
    const path = resourcePath(of, namespace ? { namespace } : {});
    const outgoing: Outgoing = {
      method: 'GET',
      path,
      query: { ...query, timeoutSeconds, watch: true, allowWatchBookmarks: true },
      ...asOne,
      signal,
    };
    // The server ends a watch at timeoutSeconds; silence past that is a dead connection.
    const answer = await send(outgoing, (timeoutSeconds + 30) * 1000);
    if (answer.statusCode >= 300)
      throw failure(`Cannot watch ${path}`, answer.statusCode, await answer.body.text(), '');
    try {
      for await (const line of lines(answer.body as AsyncIterable<Buffer>)) {
        const event = parseJson<WatchEvent<T>>(`Cannot watch ${path}`, line);
        if (event.type === 'ERROR') {
          throw failure(`Watch of ${path} ended`, event.object.code ?? 500, JSON.stringify(event.object), undefined);
        }
        yield event;
      }
    } catch (cause) {
      if (cause instanceof ApiError || signal.aborted) throw cause;
      throw new ApiError(`Watch of ${path} broke off`, { reason: 'Unreachable', cause });
    } finally {
      if (answer.body instanceof Readable) answer.body.destroy();
    }
  }

  return {
    get: (of, at, signal) => json({ method: 'GET', path: resourcePath(of, at), ...asOne, signal }),
    list: (of, { namespace, ...query } = {}, signal) => {
      const path = resourcePath(of, namespace ? { namespace } : {});
      return json({ method: 'GET', path, query: { ...query }, ...asList, signal });
    },
    create: (of, object, signal) => {
      const namespace = (object as KubeObject).metadata?.namespace;
      return json({ method: 'POST', path: resourcePath(of, namespace ? { namespace } : {}), body: object, signal });
    },
    update: (of, object, subresource, signal) =>
      json({ method: 'PUT', path: resourcePath(of, object.metadata, subresource), body: object, signal }),
    patch: (of, at, { type, body, subresource, fieldManager, force }, signal) =>
      json({
        method: 'PATCH',
        path: resourcePath(of, at, subresource),
        query: { fieldManager, force },
        body,
        contentType: patchTypes[type],
        signal,
      }),
    delete: async (of, at, options = {}, signal) => {
      const body = { kind: 'DeleteOptions', apiVersion: 'v1', ...options };
      await json({ method: 'DELETE', path: resourcePath(of, at), body, signal });
    },
    post: (of, at, subresource, body, signal) =>
      json({ method: 'POST', path: resourcePath(of, at, subresource), body, signal }),
    watch,
    request: (method, path, body, signal) => json({ method, path, body, signal }),
    use: async (next) => {
      const former = pool;
      [endpoint, pool] = [next, poolTo(next)];
      await former.destroy();
    },
    close: () => pool.destroy(),
  };
}
