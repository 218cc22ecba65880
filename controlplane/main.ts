// The control plane: certificates, store, API server, controllers and scheduler as one program. The only wiring.
import { join } from 'node:path';
import { formatCidr } from '../host/cidr.ts';
import { type Clock, systemClock } from '../host/clock.ts';
import { ensureDirectory, writeFileAtomic } from '../host/files.ts';
import type { Log } from '../host/log.ts';
import type { ApiEndpoint } from '../kube/client.ts';
import { renderClusterInfo, renderKubeconfig } from '../kube/kubeconfig.ts';
import { createApiServer } from './apiserver/server.ts';
import { type ControlPlaneConfig, kubernetesServiceIp } from './config/flags.ts';
import { type Loop, startBootstrap, startControllers, startScheduler } from './loops.ts';
import {
  type ClientIdentity,
  issueClientCertificate,
  issueServingCertificate,
  type KeyPair,
  openPki,
  type Pki,
  type ServerIdentity,
  serviceAccountKeys,
} from './pki/pki.ts';
import { openSqliteStore } from './store/sqlite.ts';

export interface ControlPlaneParts {
  readonly log: Log;
  /** Ends the start where it has got to; a running control plane ends by `stop`. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

export interface ControlPlane {
  /** "https://192.168.1.10:6443" */
  readonly server: string;
  /** The authority that signs every certificate, PEM. */
  readonly ca: string;
  readonly adminKubeconfigPath: string;
  /** The API as this client sees it; its certificate is made where there is none yet. */
  endpointFor(client: ClientIdentity): Promise<ApiEndpoint>;
  /** Writes a kubeconfig for this client, mode 0600. */
  writeKubeconfig(path: string, client: ClientIdentity): Promise<void>;
  servingCertificateFor(server: ServerIdentity): Promise<KeyPair>;
  /** Ends the loops, then the API server, then the store. */
  stop(): Promise<void>;
}

const administrator: ClientIdentity = { name: 'admin', user: 'kubernetes-admin', groups: ['system:masters'] };
const controllers: ClientIdentity = { name: 'controller-manager', user: 'system:kube-controller-manager' };
const scheduler: ClientIdentity = { name: 'scheduler', user: 'system:kube-scheduler' };
const kubeletClient: ClientIdentity = {
  name: 'apiserver-kubelet-client',
  user: 'kube-apiserver-kubelet-client',
  groups: ['system:masters'],
};
const clusterName = 'nodelet';

/** Resolves when the API answers and every loop has its picture. Throws where the data directory or the port cannot be used. */
export async function startControlPlane(config: ControlPlaneConfig, parts: ControlPlaneParts): Promise<ControlPlane> {
  const { log, signal, clock = systemClock } = parts;
  const directory = join(config.dataDir, 'controlplane');
  await ensureDirectory(directory, 0o700);
  const pki = await openPki(join(directory, 'pki'), { clock, log });
  const undo: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let step = undo.pop(); step; step = undo.pop()) await step();
  };
  try {
    const store = openSqliteStore(join(directory, 'store.db'));
    undo.push(() => store.close());
    const api = await createApiServer({ store, log, clock, ...(await serverOptions(config, pki)) });
    undo.push(() => api.close());
    const access = accessTo(pki, hostOf(config.bindAddress, config.advertiseAddress), api.port);
    const local = accessTo(pki, hostOf(config.bindAddress, '127.0.0.1'), api.port);
    const adminKubeconfigPath = join(config.dataDir, 'admin.conf');
    await access.writeKubeconfig(adminKubeconfigPath, administrator);
    const loops = await startLoops(config, pki, { local, server: access.server }, log);
    undo.push(...loops.map((loop) => () => loop.stop()));
    await Promise.race([Promise.all(loops.map(({ ready }) => ready)), aborted(signal)]);
    signal.throwIfAborted();
    log.info({ server: access.server }, 'Control plane ready');
    return {
      ...access,
      ca: pki.ca.cert,
      adminKubeconfigPath,
      servingCertificateFor: (one) => issueServingCertificate(pki, one),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function serverOptions(config: ControlPlaneConfig, pki: Pki) {
  const kubernetes = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
  ];
  const addresses = ['127.0.0.1', '::1', config.advertiseAddress, kubernetesServiceIp(config)];
  const bound = isWildcard(config.bindAddress) ? [] : [config.bindAddress];
  const names = ['localhost', ...kubernetes, ...addresses, ...bound, ...config.extraNames];
  const tls = await issueServingCertificate(pki, { name: 'apiserver', commonName: 'kube-apiserver', names });
  const kubelet = await issueClientCertificate(pki, kubeletClient);
  return {
    address: config.bindAddress,
    advertiseAddress: config.advertiseAddress,
    port: config.port,
    tls,
    clientCa: pki.ca.cert,
    serviceAccounts: { issuer: config.serviceAccountIssuer, ...(await serviceAccountKeys(pki)) },
    serviceCidr: config.serviceCidrs.map(formatCidr).join(','),
    nodePortRange: `${config.nodePorts.first}-${config.nodePorts.last}`,
    kubeletClient: { ...kubelet, ca: pki.ca.cert },
  };
}

interface Access {
  readonly server: string;
  endpointFor(client: ClientIdentity): Promise<ApiEndpoint>;
  writeKubeconfig(path: string, client: ClientIdentity): Promise<void>;
}

function accessTo(pki: Pki, host: string, port: number): Access {
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const ca = pki.ca.cert;
  return {
    server,
    endpointFor: async (client) => ({ server, ca, ...(await issueClientCertificate(pki, client)) }),
    writeKubeconfig: async (path, client) => {
      const credentials = await issueClientCertificate(pki, client);
      const facts = { cluster: clusterName, user: client.user, server, ca, ...credentials };
      await writeFileAtomic(path, renderKubeconfig(facts), 0o600);
    },
  };
}

const isWildcard = (address: string): boolean => address === '0.0.0.0' || address === '::';

const hostOf = (bindAddress: string, elsewhere: string): string => (isWildcard(bindAddress) ? elsewhere : bindAddress);

async function startLoops(
  config: ControlPlaneConfig,
  pki: Pki,
  { local, server }: { local: Access; server: string },
  log: Log,
): Promise<Loop[]> {
  const loops: Loop[] = [];
  const { clusterBlocks, nodeGraceMs, disabled } = config;
  if (!disabled.has('controllers')) {
    const settings = { caPem: pki.ca.cert, clusterBlocks, nodeGraceMs };
    const endpoint = await local.endpointFor(controllers);
    loops.push(startControllers(endpoint, settings, log));
    const kubeconfig = renderClusterInfo({ server, ca: pki.ca.cert });
    loops.push(startBootstrap(endpoint, { ca: pki.ca, kubeconfig }, log));
  }
  if (!disabled.has('scheduler')) loops.push(startScheduler(await local.endpointFor(scheduler), log));
  return loops;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
