// Asks the cluster to sign a certificate, and waits until somebody has approved it.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { isAlreadyExists, isNotFound } from '../../kube/errors.ts';
import { CertificateError, createRequest, type KeyPair, publicBytes } from './pairs.ts';
import { type CertificateWish, requestName, type SigningStatus, usagesOf, verdictOf } from './rules.ts';

export interface SigningParts {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
}

interface SigningRequest {
  readonly status?: SigningStatus;
}

const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const firstLookMs = 100;
const lastLookMs = 5000;
const patienceMs = 60 * 60_000;

/** A certificate for this key. Rejects with `CertificateError` when it is refused, or nobody approves it within an hour. */
export async function signedPair(
  parts: SigningParts,
  wish: CertificateWish,
  key: string,
  signal: AbortSignal,
): Promise<KeyPair> {
  const name = await submit(parts, wish, key, signal);
  return { cert: await untilIssued(parts, name, wish, signal), key };
}

async function submit({ client, log }: SigningParts, wish: CertificateWish, key: string, signal: AbortSignal) {
  const name = requestName(wish, publicBytes(key));
  const commonName = `system:node:${wish.nodeName}`;
  const pem = await createRequest(key, { commonName, organization: 'system:nodes', names: wish.names });
  const body = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: { signerName: wish.signer, usages: usagesOf(wish), request: Buffer.from(pem).toString('base64') },
  };
  try {
    await client.request('POST', path, body, signal);
    log.info({ request: name, signer: wish.signer }, 'Certificate asked for');
  } catch (error) {
    // Asked for before a restart, with the same key.
    if (!isAlreadyExists(error)) throw error;
  }
  return name;
}

async function untilIssued(parts: SigningParts, name: string, wish: CertificateWish, signal: AbortSignal) {
  const { client, clock, log } = parts;
  const untilMs = clock.now() + patienceMs;
  for (let pauseMs = firstLookMs; ; pauseMs = Math.min(pauseMs * 2, lastLookMs)) {
    const found = await client.request<SigningRequest>('GET', `${path}/${name}`, undefined, signal).catch((error) => {
      if (isNotFound(error)) throw new CertificateError(`Certificate request "${name}" was deleted by somebody`);
      throw error;
    });
    const verdict = verdictOf(found.status ?? {});
    if (verdict.is === 'issued') return verdict.cert;
    const what = `Certificate request "${name}" to ${wish.signer}`;
    if (verdict.is === 'refused') throw new CertificateError(`${what} was refused: ${verdict.because}`);
    if (clock.now() > untilMs) {
      throw new CertificateError(
        `${what} has waited an hour for ${verdict.for}; try: kubectl certificate approve ${name}`,
      );
    }
    if (pauseMs === lastLookMs) log.debug({ request: name, waitingFor: verdict.for }, 'Certificate not there yet');
    await clock.sleep(pauseMs, signal);
  }
}
