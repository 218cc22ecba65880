// What is served besides resources: health, version, discovery, OpenAPI, the token issuer's keys.
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Tokens } from '../auth/tokens.ts';
import { chooseDiscovery, parseAccept } from '../rules/accept.ts';
import {
  aggregated,
  coreVersions,
  type GroupVersion,
  groupDocument,
  groupList,
  groupVersions,
  gvOf,
  resourceList,
  type Served,
} from '../rules/discovery.ts';
import { openApiV2Stub, openApiV3 } from '../rules/openapi.ts';
import type { Schema } from '../rules/schema.ts';
import { noSuchPath } from '../rules/status-error.ts';
import { sendBytes, sendObject, sendText } from './respond.ts';

export interface Documents {
  /** Throws a 404 `StatusError` for a path that is not a document. */
  serve(incoming: IncomingMessage, outgoing: ServerResponse, path: string, query: URLSearchParams): Promise<void>;
}

export interface DocumentParts {
  readonly schema: Schema;
  readonly served: readonly Served[];
  readonly tokens: Tokens;
  /** The Kubernetes release whose API this is: "v1.36.0". */
  readonly release: string;
  readonly address: string;
  /** Whether the store answers. */
  readonly isReady: () => Promise<boolean>;
}

const health = /^\/(healthz|livez|readyz)(\/.*)?$/;
const v2Media = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

interface Cached {
  readonly body: Buffer;
  readonly etag: string;
}

function cache(value: object): Cached {
  const body = Buffer.from(JSON.stringify(value));
  return { body, etag: createHash('sha256').update(body).digest('hex').toUpperCase() };
}

export function versionInfo(release: string): object {
  const [, major = '', minor = ''] = /^v(\d+)\.(\d+)/.exec(release) ?? [];
  return {
    major,
    minor,
    gitVersion: `${release}+nodelet`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: '',
    platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}

export function createDocuments(parts: DocumentParts): Documents {
  const gvs = groupVersions(parts.served);
  // Each document is made when it is first asked for; there are as many as group versions.
  const made = new Map<string, Cached>();
  const once = (name: string, make: () => object): Cached => {
    const known = made.get(name) ?? cache(make());
    made.set(name, known);
    return known;
  };

  async function sendCached(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    { body, etag }: Cached,
    headers: Record<string, string>,
    media = 'application/json',
  ) {
    const quoted = `"${etag}"`;
    const common = { etag: quoted, vary: 'Accept', ...headers };
    if (incoming.headers['if-none-match'] === quoted) {
      await sendBytes(incoming, outgoing, Buffer.alloc(0), { code: 304, media, headers: common });
    } else await sendBytes(incoming, outgoing, body, { media, headers: common });
  }

  function root(incoming: IncomingMessage, outgoing: ServerResponse, name: 'api' | 'apis'): Promise<void> {
    const version = chooseDiscovery(incoming.headers.accept);
    if (!version) return sendObject(incoming, outgoing, name === 'api' ? coreVersions(parts.address) : groupList(gvs));
    const media = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    return sendCached(
      incoming,
      outgoing,
      once(`${name} ${version}`, () => aggregated(gvs, name, version)),
      {},
      media,
    );
  }

  const v3Path = (gv: GroupVersion): string => (gv.group === '' ? `api/${gv.version}` : `apis/${gvOf(gv)}`);
  const v3Document = (gv: GroupVersion): Cached =>
    once(`v3 ${gvOf(gv)}`, () => openApiV3(parts.schema, gv, parts.release));

  function openApiIndex(): object {
    const entries = gvs.map((gv) => {
      const path = v3Path(gv);
      return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${v3Document(gv).etag}` }];
    });
    return { paths: Object.fromEntries(entries) };
  }

  async function openApi(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    path: string,
    query: URLSearchParams,
  ): Promise<void> {
    if (path === '/openapi/v2') return openApiV2(incoming, outgoing);
    if (path === '/openapi/v3') return sendCached(incoming, outgoing, once('v3', openApiIndex), {});
    const gv = gvs.find((one) => path === `/openapi/v3/${v3Path(one)}`);
    if (!gv) throw noSuchPath();
    const document = v3Document(gv);
    // The address carries the content's hash: what it names never changes.
    const isPinned = query.get('hash') === document.etag;
    await sendCached(
      incoming,
      outgoing,
      document,
      isPinned ? { 'cache-control': 'public, immutable', expires: farFuture() } : {},
    );
  }

  const farFuture = (): string => new Date(Date.now() + 365 * 24 * 3600 * 1000).toUTCString();

  async function openApiV2(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const wantsProtobuf = parseAccept(incoming.headers.accept).some(({ type }) => type.includes('protobuf'));
    if (wantsProtobuf) return sendBytes(incoming, outgoing, openApiV2Stub, { media: v2Media });
    await sendObject(incoming, outgoing, {
      swagger: '2.0',
      info: { title: 'Kubernetes', version: parts.release },
      paths: {},
    });
  }

  async function discovery(incoming: IncomingMessage, outgoing: ServerResponse, path: string): Promise<void> {
    if (path === '/api' || path === '/apis') return root(incoming, outgoing, path === '/api' ? 'api' : 'apis');
    const gv = gvs.find((one) => path === `/${v3Path(one)}`);
    if (gv) return sendObject(incoming, outgoing, resourceList(gv));
    const group = /^\/apis\/([^/]+)$/.exec(path)?.[1];
    const document = group === undefined ? undefined : groupDocument(gvs, group);
    if (!document) throw noSuchPath();
    await sendObject(incoming, outgoing, document);
  }

  function rootPaths(): string[] {
    const groups = [...new Set(gvs.map(({ group }) => group))].filter((group) => group !== '');
    const apis = ['/api', '/apis', ...groups.map((group) => `/apis/${group}`), ...gvs.map((gv) => `/${v3Path(gv)}`)];
    return [...apis, '/healthz', '/livez', '/openapi/v2', '/openapi/v3', '/readyz', '/version'].sort();
  }

  async function healthOf(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    name: string,
    verbose: boolean,
  ): Promise<void> {
    const ok = name === 'livez' || (await parts.isReady());
    const lines = [`[+]ping ok`, ok ? '[+]store ok' : '[-]store failed', `${name} check ${ok ? 'passed' : 'failed'}\n`];
    await sendText(incoming, outgoing, verbose || !ok ? lines.join('\n') : 'ok', ok ? 200 : 500);
  }

  async function issuer(incoming: IncomingMessage, outgoing: ServerResponse, path: string): Promise<void> {
    if (path.startsWith('/openid/v1/jwks')) return sendObject(incoming, outgoing, await parts.tokens.keySet());
    await sendObject(incoming, outgoing, {
      issuer: parts.tokens.issuer,
      jwks_uri: `https://${parts.address}/openid/v1/jwks`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256', 'ES256'],
    });
  }

  return {
    serve: async (incoming, outgoing, fullPath, query) => {
      const path = fullPath.length > 1 ? fullPath.replace(/\/+$/, '') : fullPath;
      const check = health.exec(path);
      if (check?.[1]) return healthOf(incoming, outgoing, check[1], query.has('verbose'));
      if (path === '/version') return sendObject(incoming, outgoing, versionInfo(parts.release));
      if (path === '/') return sendObject(incoming, outgoing, { paths: rootPaths() });
      if (path.startsWith('/openapi/')) return openApi(incoming, outgoing, path, query);
      if (path === '/openid/v1/jwks' || path === '/.well-known/openid-configuration')
        return issuer(incoming, outgoing, path);
      return discovery(incoming, outgoing, path);
    },
  };
}
