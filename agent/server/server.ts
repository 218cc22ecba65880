// The kubelet API on :10250: TLS, who asks, whether they may, and which part answers.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Registry } from '@prometheus-io/client';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import type { Engine } from '../docker/engine.ts';
import { type Answer, createAnswers } from './answers.ts';
import { type Authenticate, createAuthentication, type User } from './authentication.ts';
import { type AuthorizationMode, type Authorize, createAuthorization } from './authorization.ts';
import { type Exchange, responseOn, sendText } from './exchange.ts';
import type { PodLookup } from './lookup.ts';
import { createOwnMetrics, type OwnMetrics } from './own-metrics.ts';
import { attributesOf } from './rules/attributes.ts';
import { type Route, routeOf } from './rules/routes.ts';
import { parseTarget, type Target } from './rules/target.ts';
import type { Collector } from './stats/collect.ts';

export interface ServingCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface KubeletServerOptions {
  readonly address: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** PEM texts, or the way to the current ones: asked at each connection. */
  readonly tls: ServingCertificate | (() => ServingCertificate);
  /** PEM of the authorities whose client certificates count; without it only tokens do. */
  readonly clientCa?: string | (() => string);
  /** Default TLSv1.2. */
  readonly tlsMinVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** In OpenSSL's words; default: Node's. */
  readonly tlsCiphers?: string;
  readonly authorization?: AuthorizationMode;
  readonly client: Pick<ApiClient, 'request'>;
  readonly engine: Pick<Engine, 'exec' | 'attach' | 'containerLogs' | 'info'>;
  readonly pods: PodLookup;
  readonly nodeName: string;
  /** What looks at the node for statistics. */
  readonly collector: Collector;
  /** Where other rooms count for /metrics; what the server counts is added to it. */
  readonly registry?: Registry;
  /** What /metrics/probes shows. */
  readonly probeRegistry?: Registry;
  /** What /configz shows: the effective KubeletConfiguration. */
  readonly configuration?: () => unknown;
  /** False answers 405 to everything that reaches into containers. */
  readonly debuggingHandlers?: boolean;
  readonly streamingIdleTimeoutMs?: number;
  readonly log: Log;
  readonly clock: Clock;
}

export interface KubeletServer {
  readonly port: number;
  /** Refuses new requests and ends all that are under way. */
  stop(): Promise<void>;
}

const maxConnections = 4096;
/** As Go's default: exec carries whole command lines in the URL. */
const maxHeaderBytes = 1024 * 1024;

/** Listens; rejects where the address is taken or the certificate is no certificate. */
export async function createKubeletServer(options: KubeletServerOptions): Promise<KubeletServer> {
  const stopping = new AbortController();
  const authenticate = createAuthentication(options.client, options.clock);
  const mode = options.authorization ?? 'Webhook';
  const authorize = createAuthorization(mode, options.client, options.nodeName, options.clock);
  const metrics = createOwnMetrics(options.pods, options.nodeName, options.registry);
  const answer = createAnswers(options, metrics, stopping.signal);
  const server = listener(options);
  const sockets = new Set<Duplex>();
  const gate: Gate = { authenticate, authorize, answer, metrics, log: options.log };

  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    void handle(gate, req, undefined, () => res);
  });
  server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => {});
    socket.setKeepAlive(true, keepAliveMs);
    socket.setTimeout(options.streamingIdleTimeoutMs ?? idleMs, () => socket.destroy());
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const response = once(() => responseOn(req, socket));
    void handle(gate, req, { socket, head }, response);
  });

  await listen(server, options);
  const bound = server.address();
  return {
    port: bound !== null && typeof bound === 'object' ? bound.port : options.port,
    async stop() {
      stopping.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const keepAliveMs = 30_000;
const idleMs = 4 * 60 * 60_000;

interface Gate {
  readonly authenticate: Authenticate;
  readonly authorize: Authorize;
  readonly answer: Answer;
  readonly metrics: OwnMetrics;
  readonly log: Log;
}

/** Authenticates, authorises, answers, in this order for every path. Never rejects. */
async function handle(
  gate: Gate,
  req: IncomingMessage,
  upgrade: Exchange['upgrade'],
  response: () => ServerResponse,
): Promise<void> {
  const began = performance.now();
  let route: Route = { to: 'refusal', code: 404 };
  try {
    const target = await admitted(gate, req, response);
    if (!target) return;
    route = routeOf(req.method ?? '', target.segments);
    await gate.answer(route, { req, query: target.query, upgrade, response });
  } catch (error) {
    gate.log.warn({ err: error, path: req.url?.split('?')[0] }, 'Request failed');
    sendText(response(), 500, error instanceof Error ? error.message : String(error));
  } finally {
    const seconds = (performance.now() - began) / 1000;
    gate.metrics.request({ method: req.method ?? '', route: route.to, seconds });
  }
}

/** What may be answered; undefined after a refusal was sent. */
async function admitted(gate: Gate, req: IncomingMessage, response: () => ServerResponse): Promise<Target | undefined> {
  const refuse = (code: number, text: string): undefined => void sendText(response(), code, text);
  const user = await authenticated(gate, req);
  if (!user) return refuse(401, 'Unauthorized');
  const target = parseTarget(req.url ?? '');
  if (!target) return refuse(400, 'invalid path');
  const attributes = attributesOf(req.method ?? '', target.segments);
  const { verb, subresources } = attributes;
  const facts = `(user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}])`;
  try {
    return (await gate.authorize(user, attributes)) ? target : refuse(403, `Forbidden ${facts}\n`);
  } catch (err) {
    gate.log.error({ err, user: user.name }, 'Authorization could not be asked');
    return refuse(500, `Authorization error ${facts}`);
  }
}

async function authenticated({ authenticate, log }: Gate, req: IncomingMessage): Promise<User | undefined> {
  try {
    return await authenticate(req);
  } catch (err) {
    log.error({ err }, 'Request could not be authenticated');
    return undefined;
  }
}

const current = <T>(value: T | (() => T)): T => (typeof value === 'function' ? (value as () => T)() : value);

function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function listener({ tls, clientCa, tlsMinVersion, tlsCiphers }: KubeletServerOptions): Server {
  const context = () => ({
    ...current(tls),
    ...(clientCa === undefined ? {} : { ca: current(clientCa) }),
    minVersion: tlsMinVersion ?? 'TLSv1.2',
    ...(tlsCiphers === undefined ? {} : { ciphers: tlsCiphers }),
  });
  let used = context();
  const server = createServer({
    ...used,
    requestCert: clientCa !== undefined,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: 10_000,
    headersTimeout: 30_000,
    requestTimeout: 0,
    keepAliveTimeout: 90_000,
    maxHeaderSize: maxHeaderBytes,
    connectionsCheckingInterval: 5_000,
  });
  server.maxConnections = maxConnections;
  // Before the handshake of each connection: a renewed certificate is used at once, with no watcher.
  server.prependListener('connection', () => {
    const now = context();
    if (now.cert === used.cert && now.key === used.key && now.ca === used.ca) return;
    server.setSecureContext(now);
    used = now;
  });
  return server;
}

function listen(server: Server, { address, port }: KubeletServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
