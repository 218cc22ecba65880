// The API server: one HTTPS listener over a store. Everything it does hangs below `createApiServer`.
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Store } from '../store/store.ts';
import { createAdmission } from './admission/admission.ts';
import { namespaceLifecycle } from './admission/namespace-lifecycle.ts';
import { nodeRestriction } from './admission/node-restriction.ts';
import { defaultTolerations, priority, serviceAccount } from './admission/pods.ts';
import { parsePortRange, parseServiceCidr, serviceAddresses } from './admission/service-addresses.ts';
import { signingRequests } from './admission/signing-requests.ts';
import { withBootstrapTokens } from './auth/bootstrap-tokens.ts';
import { policy } from './auth/policy.ts';
import { createTokens, type Lookup } from './auth/tokens.ts';
import { bootstrap } from './bootstrap.ts';
import type { Parts } from './context.ts';
import { decodeEntry, keyOf } from './encoding.ts';
import { createDocuments } from './http/documents.ts';
import { createDoor, type Door } from './http/door.ts';
import { createResources } from './http/resources.ts';
import { createStreams } from './http/streams.ts';
import { createSubresources } from './http/subresources.ts';
import { askedRows, storedKinds } from './kinds/catalog.ts';
import { loadSchema } from './load.ts';
import { startMaintenance } from './maintenance.ts';
import { createRegistry, type Registry } from './registry.ts';
import { createDecoder } from './rules/protobuf.ts';
import { createWatches } from './watch.ts';

export interface ApiServerOptions {
  readonly store: Store;
  /** Where to listen. */
  readonly address: string;
  /** What the `kubernetes` Service points at; the listening address where absent. */
  readonly advertiseAddress?: string;
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string };
  /** Signs the certificates of users, nodes and components. */
  readonly clientCa: string;
  readonly serviceAccounts: { readonly issuer: string; readonly signingKeyPem: string; readonly publicKeyPem: string };
  readonly serviceCidr: string;
  /** "30000-32767", both ends included. */
  readonly nodePortRange: string;
  /** How to reach kubelets. */
  readonly kubeletClient: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly log: Log;
  readonly clock: Clock;
}

export interface ApiServer {
  readonly port: number;
  /** Ends watches and connections, then stops listening. The store stays open. */
  close(): Promise<void>;
}

/** The API server cannot listen. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  readonly reason: 'PortInUse' | 'AddressNotAvailable' | 'NotPermitted' | 'Other';

  constructor(address: string, port: number, cause: NodeJS.ErrnoException) {
    const reason = reasons[cause.code ?? ''] ?? 'Other';
    super(
      `Cannot listen on ${address}:${port}: ${reason === 'PortInUse' ? 'the port is taken' : (cause.code ?? cause.message)}`,
      {
        cause,
      },
    );
    this.reason = reason;
  }
}

const reasons: Readonly<Record<string, ListenError['reason']>> = {
  EADDRINUSE: 'PortInUse',
  EADDRNOTAVAIL: 'AddressNotAvailable',
  EACCES: 'NotPermitted',
};

const release = 'v1.36.0';
/** Headers, and whole requests that are not watches, must come within this time. */
const headersTimeoutMs = 30_000;
const maxHeaderBytes = 64 * 1024;

function createLookup(parts: Parts): Lookup {
  return async (name, namespace, objectName) => {
    const kind = parts.kinds.find((one) => one.kind === name);
    const entry = kind && (await parts.store.get(keyOf(kind, namespace, objectName)));
    return kind && entry && decodeEntry(kind, entry);
  };
}

interface Built {
  readonly parts: Parts;
  readonly registry: Registry;
  /** The port is known only after listening: 0 asks for any. */
  door(port: number): Door;
}

function build(options: ApiServerOptions): Built {
  const schema = loadSchema();
  const { store, clock, log } = options;
  const parts: Parts = { store, clock, log, schema, kinds: storedKinds(schema) };
  const steps = [
    namespaceLifecycle(parts),
    serviceAccount(parts),
    signingRequests(parts),
    nodeRestriction,
    priority(parts),
    defaultTolerations,
    serviceAddresses(parts, parseServiceCidr(options.serviceCidr), parsePortRange(options.nodePortRange)),
  ];
  const registry = createRegistry(parts, createAdmission(steps));
  return { parts, registry, door: (port) => buildDoor(options, parts, registry, port) };
}

function buildDoor(options: ApiServerOptions, parts: Parts, registry: Registry, port: number): Door {
  const { schema } = parts;
  const decoder = createDecoder(schema);
  const audiences = [options.serviceAccounts.issuer];
  const lookup = createLookup(parts);
  const tokens = withBootstrapTokens(createTokens(options.serviceAccounts, lookup, parts.clock), lookup, parts.clock);
  const asked = askedRows(schema);
  const documents = createDocuments({
    schema,
    served: [...parts.kinds, ...asked],
    tokens,
    release,
    address: `${options.advertiseAddress ?? options.address}:${port}`,
    isReady: () =>
      parts.store.get('/registry/').then(
        () => true,
        () => false,
      ),
  });
  const resources = createResources(parts, registry, createWatches(parts, registry), decoder);
  const subresources = createSubresources({ ...parts, registry, tokens, audiences, decoder });
  const streams = createStreams(parts, options.kubeletClient);
  return createDoor({
    ...parts,
    policy,
    tokens,
    audiences,
    asked,
    documents,
    resources,
    subresources,
    streams,
    decoder,
  });
}

function listen(server: Server, address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new ListenError(address, port, error)));
    server.listen({ host: address, port, backlog: 1024 }, () => resolve((server.address() as AddressInfo).port));
  });
}

/** Listens and serves. Throws `ListenError` where the address cannot be had. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { parts, registry, door: openDoor } = build(options);
  let door: Door | undefined;
  const closing = new AbortController();
  const sockets = new Set<Socket>();
  const server = createServer(
    {
      cert: options.tls.cert,
      key: options.tls.key,
      ca: options.clientCa,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: headersTimeoutMs,
      keepAliveTimeout: 90_000,
    },
    (incoming, outgoing) => {
      const gone = new AbortController();
      outgoing.once('close', () => gone.abort());
      if (door) void door.handle(incoming, outgoing, AbortSignal.any([gone.signal, closing.signal]));
      else outgoing.writeHead(503, { 'retry-after': '1' }).end();
    },
  );
  server.on('upgrade', (incoming, socket, head) => {
    socket.on('error', () => socket.destroy());
    if (door) void door.upgrade(incoming, socket, head);
    else socket.destroy();
  });
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  const port = await listen(server, options.address, options.port);
  try {
    const address = options.advertiseAddress ?? options.address;
    await bootstrap(parts, registry, { address, port, serviceCidr: parseServiceCidr(options.serviceCidr) });
  } catch (error) {
    server.close();
    throw error;
  }
  door = openDoor(port);
  startMaintenance(parts, closing.signal);
  return {
    port,
    close: async () => {
      closing.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      for (const socket of sockets) socket.destroySoon();
      await closed;
    },
  };
}
