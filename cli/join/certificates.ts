// A node's certificates: asked for, waited for, and written as one file with their key.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRequest } from '../../controlplane/pki/requests.ts';
import type { ApiClient } from '../../kube/client.ts';
import { certificateSigningRequests } from '../../kube/resources.ts';
import type { CertificateSigningRequest } from '../../kube/types.ts';

export interface Wanted {
  readonly nodeName: string;
  /** None for a client. */
  readonly names: readonly string[];
  readonly use: 'client' | 'server';
}

const signers = {
  client: { signerName: 'kubernetes.io/kube-apiserver-client-kubelet', usages: ['digital signature', 'client auth'] },
  server: { signerName: 'kubernetes.io/kubelet-serving', usages: ['digital signature', 'server auth'] },
} as const;
const lookEveryMs = 100;
/** Clusters that do not approve by themselves wait for a person. */
const patienceMs = 10 * 60_000;
const sayAfterMs = 5000;

export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** Throws where it is denied, or nobody has issued it in time. */
export async function obtain(
  client: ApiClient,
  { nodeName, names, use }: Wanted,
  signal: AbortSignal,
): Promise<Issued> {
  const subject = { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] };
  const { key, request } = await createRequest({ ...subject, names });
  // Named after what is asked: asking again is the same request.
  const name = `node-csr-${createHash('sha256').update(request).digest('base64url')}`;
  const { signerName, usages } = signers[use];
  const spec = { request: Buffer.from(request).toString('base64'), signerName, usages: [...usages] };
  const kind = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest' } as const;
  await client.create(
    certificateSigningRequests,
    { ...kind, metadata: { name }, spec } as CertificateSigningRequest,
    signal,
  );
  const startedAt = Date.now();
  let isSaid = false;
  for (; Date.now() < startedAt + patienceMs; await sleep(lookEveryMs, undefined, { signal })) {
    const { status } = await client.get(certificateSigningRequests, { name }, signal);
    const bad = status?.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
    if (bad) throw new Error(`request "${name}" was not granted: ${bad.message || bad.reason || bad.type}`);
    if (status?.certificate) return { cert: Buffer.from(status.certificate, 'base64').toString('utf8'), key };
    if (!isSaid && Date.now() > startedAt + sayAfterMs)
      console.log(`  waiting for: kubectl certificate approve ${name}`);
    isSaid ||= Date.now() > startedAt + sayAfterMs;
  }
  throw new Error(`request "${name}" was not granted within ${patienceMs / 60_000} minutes`);
}
