// A kubelet API on a free port for tests, with an API server that knows a few users and a pod or two.
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import type { ObservedContainer, ObservedPod } from '../../../agent/model.ts';
import type { PodLookup } from '../../../agent/server/lookup.ts';
import { createKubeletServer, type KubeletServer, type KubeletServerOptions } from '../../../agent/server/server.ts';
import { createCollector } from '../../../agent/server/stats/collect.ts';
import { systemClock } from '../../../host/clock.ts';
import { silentLog } from '../../../host/log.ts';
import type { ApiClient } from '../../../kube/client.ts';
import { ApiError } from '../../../kube/errors.ts';
import type { Pod } from '../../../kube/types.ts';
import { createAuthority, type Leaf } from './certificates.ts';

export const containerId = 'c'.repeat(64);

export const webPod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', uid: 'uid-1' },
  spec: {
    containers: [
      { name: 'app', image: 'busybox' },
      { name: 'term', image: 'busybox', tty: true, stdin: true },
      { name: 'late', image: 'busybox' },
    ],
  },
  status: {
    containerStatuses: [
      status('app', { running: { startedAt: '2026-01-01T00:00:00Z' } }),
      status('late', { waiting: { reason: 'ContainerCreating' } }, ''),
    ],
  },
};

function status(name: string, state: object, containerID = `docker://${containerId}`) {
  return { name, state, containerID, image: 'busybox', imageID: '', ready: true, restartCount: 0 };
}

export function observedContainer(name: string, facts: Partial<ObservedContainer> = {}): ObservedContainer {
  return {
    id: containerId,
    name,
    sandboxId: 's'.repeat(64),
    restartCount: 0,
    phase: 'running',
    createdAtMs: 0,
    startedAtMs: 0,
    finishedAtMs: undefined,
    exitCode: 0,
    oomKilled: false,
    error: '',
    image: 'busybox',
    imageId: 'sha256:1',
    specHash: '',
    pid: 0,
    terminationMessage: '',
    resources: { cpuShares: 0, cpuQuotaMicros: 0, cpuPeriodMicros: 0, memoryBytes: 0 },
    ...facts,
  };
}

export function lookup(pod: Pod, facts: Partial<ObservedPod> = {}): PodLookup {
  const { uid, name, namespace } = pod.metadata;
  const containers = [observedContainer('app'), observedContainer('term')];
  const observed: ObservedPod = { uid, name, namespace, sandboxes: [], containers, ...facts };
  return {
    list: () => [pod],
    find: (ns, podName, podUid) =>
      ns === namespace && podName === name && (podUid === undefined || podUid === uid) ? pod : undefined,
    observe: async () => observed,
    observeAll: async () => [observed],
  };
}

/** Answers TokenReviews for tokens that are user names, and SubjectAccessReviews by `may`. */
export function reviewer(
  may: (user: string, verb: string, subresource: string) => boolean | 'unreachable',
  users: readonly string[] = ['alice'],
): Pick<ApiClient, 'request'> & { readonly asked: unknown[] } {
  const asked: unknown[] = [];
  async function request<A>(_method: string, path: string, body?: unknown): Promise<A> {
    asked.push(body);
    const { spec } = body as {
      spec: { token?: string; user?: string; resourceAttributes?: { verb: string; subresource: string } };
    };
    if (path.endsWith('/tokenreviews')) {
      const known = users.includes(spec.token ?? '');
      const status = known ? { authenticated: true, user: { username: spec.token } } : { authenticated: false };
      return { status } as A;
    }
    const { verb = '', subresource = '' } = spec.resourceAttributes ?? {};
    const allowed = may(spec.user ?? '', verb, subresource);
    if (allowed === 'unreachable') throw new ApiError('Cannot POST', { reason: 'Unreachable' });
    return { status: { allowed } } as A;
  }
  return { asked, request };
}

export interface TestServer {
  readonly server: KubeletServer;
  /** Connection options of a client with an all-powerful certificate. */
  readonly admin: RequestOptions;
  /** Connection options of a client without any credentials. */
  readonly nobody: RequestOptions;
  clientWith(leaf: Leaf): RequestOptions;
  readonly authority: Awaited<ReturnType<typeof createAuthority>>;
  stop(): Promise<void>;
}

export async function startKubeletServer(
  options: Pick<KubeletServerOptions, 'engine'> & Partial<KubeletServerOptions>,
): Promise<TestServer> {
  const authority = await createAuthority();
  const [tls, adminLeaf] = [
    await authority.issue('CN=node', { usage: 'server' }),
    await authority.issue('CN=admin, O=system:masters'),
  ];
  const pods = options.pods ?? lookup(webPod);
  const engine = { info: () => Promise.reject(new Error('no engine')) };
  const server = await createKubeletServer({
    address: '127.0.0.1',
    port: 0,
    tls,
    clientCa: authority.cert,
    client: reviewer((user) => user === 'admin'),
    pods,
    collector: createCollector({ pods, engine, nodeName: 'node-1', clock: systemClock, rootDir: tmpdir() }),
    nodeName: 'node-1',
    log: silentLog,
    clock: systemClock,
    ...options,
  });
  const nobody = { host: '127.0.0.1', port: server.port, ca: authority.cert };
  const clientWith = (leaf: Leaf): RequestOptions => ({ ...nobody, cert: leaf.cert, key: leaf.key });
  return { server, nobody, clientWith, admin: clientWith(adminLeaf), authority, stop: () => server.stop() };
}

export interface Reply {
  readonly code: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export function ask(options: RequestOptions): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const req = httpsRequest({ agent: false, ...options }, (res) => {
      const pieces: Buffer[] = [];
      res.on('data', (piece: Buffer) => pieces.push(piece));
      res.on('error', reject);
      res.on('end', () =>
        resolve({ code: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(pieces).toString() }),
      );
    });
    req.on('error', reject);
    req.end();
  });
}
