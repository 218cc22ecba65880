// By which certificate the API server knows this node: what the kubeconfig names, else what the cluster signs for a newcomer, renewed in time.

import { dirname } from 'node:path';
import { stringify } from 'yaml';
import type { Clock } from '../../host/clock.ts';
import { ensureDirectory, readIfExists, writeFileAtomic } from '../../host/files.ts';
import type { Log } from '../../host/log.ts';
import { type ApiClient, type ApiEndpoint, createApiClient } from '../../kube/client.ts';
import { loadKubeconfig } from '../../kube/kubeconfig.ts';
import { CertificateError, validityOf } from './pairs.ts';
import { type CertificateWish, renewalMs, whyNotNow } from './rules.ts';
import { signedPair } from './signing.ts';
import { createPairStore, type PairStore } from './store.ts';

export interface ClientCertificateParts {
  readonly kubeconfig: string;
  /** Empty: there is no other way in than the kubeconfig. */
  readonly bootstrapKubeconfig: string;
  readonly rotateCertificates: boolean;
  readonly certDir: string;
  readonly nodeName: string;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ClientCertificate {
  /** How to reach the API server, by a certificate that is good now where there is one at all. */
  readonly endpoint: ApiEndpoint;
  /** Renews it in time until `signal` ends, and hands each new endpoint over. Never rejects. */
  keep(use: (endpoint: ApiEndpoint) => Promise<void>, client: ApiClient, signal: AbortSignal): Promise<void>;
}

const firstPauseMs = 2000;
const lastPauseMs = 5 * 60_000;

/** Throws `CertificateError` where there are credentials, but none that are good now, and no way to others. */
export async function openClientCertificate(
  parts: ClientCertificateParts,
  signal: AbortSignal,
): Promise<ClientCertificate> {
  const store = createPairStore(parts.certDir, 'kubelet-client');
  const known = await endpointOnDisk(parts, store);
  const why = known && whyNotGood(known, parts.clock.now());
  if (known && why === undefined) return { endpoint: known, keep: keeper(parts, store, known) };
  if (parts.bootstrapKubeconfig === '') {
    throw new CertificateError(
      `Cannot use the client certificate of kubeconfig "${parts.kubeconfig}": ${why}; want another, or --bootstrap-kubeconfig`,
    );
  }
  const endpoint = await bootstrap(parts, store, why ?? 'there is no kubeconfig yet', signal);
  return { endpoint, keep: keeper(parts, store, endpoint) };
}

/** What was renewed is newer than what the kubeconfig may carry inside. Undefined: no kubeconfig, and another way in. */
async function endpointOnDisk(parts: ClientCertificateParts, store: PairStore): Promise<ApiEndpoint | undefined> {
  const { kubeconfig, bootstrapKubeconfig, rotateCertificates, clock } = parts;
  if (bootstrapKubeconfig !== '' && (await readIfExists(kubeconfig)) === undefined) return undefined;
  const endpoint = await loadKubeconfig(kubeconfig);
  const renewed = rotateCertificates && endpoint.cert ? await store.load() : undefined;
  const isGood = renewed && whyNotNow(validityOf(renewed.cert), clock.now()) === undefined;
  return isGood ? { ...endpoint, ...renewed } : endpoint;
}

function whyNotGood({ cert }: ApiEndpoint, nowMs: number): string | undefined {
  if (cert === undefined) return undefined;
  try {
    return whyNotNow(validityOf(cert), nowMs);
  } catch {
    return 'it is no certificate';
  }
}

const wishOf = ({ nodeName }: ClientCertificateParts): CertificateWish => ({
  signer: 'kubernetes.io/kube-apiserver-client-kubelet',
  nodeName,
  names: [],
});

/** A newcomer has a token at most: it asks, waits, and from then on goes by what it was given. */
async function bootstrap(
  parts: ClientCertificateParts,
  store: PairStore,
  because: string,
  signal: AbortSignal,
): Promise<ApiEndpoint> {
  const { bootstrapKubeconfig, kubeconfig, userAgent, clock, log } = parts;
  log.info({ bootstrapKubeconfig, because }, 'Client certificate is asked for by bootstrap credentials');
  const newcomer = await loadKubeconfig(bootstrapKubeconfig);
  const client = createApiClient(newcomer, userAgent);
  try {
    const pair = await signedPair({ client, clock, log }, wishOf(parts), await store.pendingKey(), signal);
    await store.save(pair, clock.now());
  } finally {
    await client.close();
  }
  await ensureDirectory(dirname(kubeconfig));
  await writeFileAtomic(kubeconfig, kubeconfigText(newcomer, store.current), 0o600);
  log.info({ kubeconfig }, 'Kubeconfig written');
  return loadKubeconfig(kubeconfig);
}

/** Names and shape are upstream's, so that other tools find what they look for. */
function kubeconfigText({ server, ca, serverName, insecureSkipVerify }: ApiEndpoint, pair: string): string {
  const cluster = {
    server,
    ...(ca ? { 'certificate-authority-data': Buffer.from(ca).toString('base64') } : {}),
    ...(serverName ? { 'tls-server-name': serverName } : {}),
    ...(insecureSkipVerify ? { 'insecure-skip-tls-verify': true } : {}),
  };
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'default-cluster', cluster }],
    contexts: [{ name: 'default-context', context: { cluster: 'default-cluster', user: 'default-auth' } }],
    'current-context': 'default-context',
    preferences: {},
    users: [{ name: 'default-auth', user: { 'client-certificate': pair, 'client-key': pair } }],
  });
}

function keeper(parts: ClientCertificateParts, store: PairStore, first: ApiEndpoint): ClientCertificate['keep'] {
  const { rotateCertificates, bootstrapKubeconfig, clock, log } = parts;

  /** By the old certificate while it is good; past its end only by the bootstrap credentials. */
  async function renewed(endpoint: ApiEndpoint, client: ApiClient, signal: AbortSignal): Promise<ApiEndpoint> {
    const why = whyNotGood(endpoint, clock.now());
    if (why !== undefined && bootstrapKubeconfig !== '') return bootstrap(parts, store, why, signal);
    const pair = await signedPair({ client, clock, log }, wishOf(parts), await store.pendingKey(), signal);
    await store.save(pair, clock.now());
    return { ...endpoint, ...pair };
  }

  return async (use, client, signal) => {
    let endpoint = first;
    let pauseMs = firstPauseMs;
    while (rotateCertificates && endpoint.cert !== undefined && !signal.aborted) {
      try {
        await sleepUntil(clock, renewalMs(validityOf(endpoint.cert), Math.random()), signal);
        endpoint = await renewed(endpoint, client, signal);
        await use(endpoint);
        log.info('Client certificate renewed');
        pauseMs = firstPauseMs;
      } catch (err) {
        if (signal.aborted) return;
        const because = endpoint.cert && whyNotGood(endpoint, clock.now());
        log.error({ err, ...(because ? { because } : {}) }, 'Client certificate not renewed');
        await clock.sleep(pauseMs, signal).catch(() => {});
        pauseMs = Math.min(pauseMs * 2, lastPauseMs);
      }
    }
  };
}

/** Timers reach 24 days at most, certificates years. */
export async function sleepUntil(clock: Clock, atMs: number, signal: AbortSignal): Promise<void> {
  const longestMs = 24 * 3600_000;
  for (let leftMs = atMs - clock.now(); leftMs > 0; leftMs = atMs - clock.now()) {
    await clock.sleep(Math.min(leftMs, longestMs), signal);
  }
}
