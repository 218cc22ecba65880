// By which certificate this node's own server is known: files of the operator, one that the cluster signs, or one of its own.
import { join } from 'node:path';
import type { Clock } from '../../host/clock.ts';
import { ensureDirectory, readIfExists, writeFileAtomic } from '../../host/files.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { followFile } from './files.ts';
import { createSelfSigned, type KeyPair, namesOf, splitPair, validityOf } from './pairs.ts';
import { renewalMs, whyNotNow } from './rules.ts';
import { signedPair } from './signing.ts';
import { createPairStore } from './store.ts';

export interface ServingParts {
  /** Both or neither. */
  readonly tlsCertFile: string;
  readonly tlsPrivateKeyFile: string;
  /** The cluster is asked where there are no files. */
  readonly tlsBootstrap: boolean;
  readonly certDir: string;
  readonly nodeName: string;
  /** The node's addresses as they are now. */
  readonly addresses: () => readonly string[];
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ServingCertificates {
  /** Asked at each connection; empty texts while there is none, which no handshake survives. */
  current(): KeyPair;
  /** Asks for new ones in time until `signal` ends. Never rejects. */
  keep(signal: AbortSignal): Promise<void>;
}

const none: KeyPair = { cert: '', key: '' };
const lookEveryMs = 10_000;
const lastPauseMs = 5 * 60_000;

/** Throws where files are named that cannot be read. */
export async function openServingCertificates(parts: ServingParts): Promise<ServingCertificates> {
  const { tlsCertFile, tlsPrivateKeyFile, tlsBootstrap, log } = parts;
  if (tlsCertFile !== '') {
    const [cert, key] = [followFile(tlsCertFile, log), followFile(tlsPrivateKeyFile, log)];
    return { current: () => ({ cert: cert(), key: key() }), keep: async () => {} };
  }
  if (tlsBootstrap) return signedByCluster(parts);
  const own = await selfSigned(parts);
  return { current: () => own, keep: async () => {} };
}

/** Made once and kept: whoever has come to trust it goes on doing so. */
async function selfSigned({ certDir, nodeName, clock, log }: ServingParts): Promise<KeyPair> {
  const [certFile, keyFile] = [join(certDir, 'kubelet.crt'), join(certDir, 'kubelet.key')];
  const found = splitPair(`${(await readIfExists(certFile)) ?? ''}\n${(await readIfExists(keyFile)) ?? ''}`);
  if (found && whyNotNow(validityOf(found.cert), clock.now()) === undefined) return found;
  const pair = await createSelfSigned(nodeName, clock.now());
  await ensureDirectory(certDir, 0o700);
  await writeFileAtomic(keyFile, pair.key, 0o600);
  await writeFileAtomic(certFile, pair.cert, 0o644);
  log.info({ file: certFile }, 'Serving certificate signed by itself');
  return pair;
}

async function signedByCluster(parts: ServingParts): Promise<ServingCertificates> {
  const { certDir, nodeName, addresses, client, clock, log } = parts;
  const store = createPairStore(certDir, 'kubelet-server');
  const found = await store.load();
  let pair = found && whyNotNow(validityOf(found.cert), clock.now()) === undefined ? found : none;
  const chance = Math.random();

  function whyAsk(names: readonly string[]): string | undefined {
    if (pair === none) return 'there is none yet';
    if (clock.now() >= renewalMs(validityOf(pair.cert), chance)) return 'it ends soon';
    const proved = new Set(namesOf(pair.cert));
    return names.every((name) => proved.has(name)) ? undefined : 'the node has another address';
  }

  async function renew(names: readonly string[], because: string, signal: AbortSignal): Promise<void> {
    log.info({ because }, 'Serving certificate is asked for');
    const wish = { signer: 'kubernetes.io/kubelet-serving', nodeName, names } as const;
    const signed = await signedPair({ client, clock, log }, wish, await store.pendingKey(), signal);
    await store.save(signed, clock.now());
    pair = signed;
    log.info('Serving certificate renewed');
  }

  return {
    current: () => pair,
    keep: async (signal) => {
      let pauseMs = lookEveryMs;
      while (!signal.aborted) {
        const names = [nodeName, ...[...addresses()].sort()];
        const because = names.length > 1 ? whyAsk(names) : undefined;
        try {
          if (because !== undefined) await renew(names, because, signal);
          pauseMs = lookEveryMs;
        } catch (err) {
          if (signal.aborted) return;
          log.warn({ err }, 'Serving certificate not renewed');
          pauseMs = Math.min(pauseMs * 2, lastPauseMs);
        }
        await clock.sleep(pauseMs, signal).catch(() => {});
      }
    },
  };
}
