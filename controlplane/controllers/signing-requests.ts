// Reads, judges and signs certificate requests of nodes. Whether somebody may ask is the API server's word.
import { certificateSigningRequests, nodes } from '../../kube/resources.ts';
import type { CertificateSigningRequest } from '../../kube/types.ts';
import { type Controller, type LookParts, nothing, watch } from '../model.ts';
import type { KeyPair } from '../pki/certificates.ts';
import { readRequest, signRequest } from '../pki/requests.ts';
import {
  type NodeRequest,
  planSigningRequest,
  recognise,
  type SigningFacts,
  wantsCertificate,
} from './rules/signing-requests.ts';

const yearSeconds = 365 * 24 * 3600;
const backdateMs = 5 * 60_000;

export function signingRequestController(ca: KeyPair): Controller<SigningFacts | undefined> {
  return {
    name: 'certificate-signing-requests',
    watches: [watch(certificateSigningRequests, ({ metadata }) => [metadata.name])],
    look: async (name, view, parts) => {
      const request = view.get(certificateSigningRequests, name);
      if (!request) return undefined;
      const pem = Buffer.from(request.spec.request, 'base64').toString('latin1');
      const asked = await readRequest(pem);
      const kind = recognise(request, asked);
      const signs = kind !== undefined && wantsCertificate(request);
      return {
        asked,
        isAllowed: kind !== undefined && !signs && (await isAllowed(request, kind, parts)),
        certificate: signs ? await sign(ca, request, pem, kind, parts.nowMs) : undefined,
        nodes: view.list(nodes),
      };
    },
    reconcile: (name, view, nowMs, facts) => {
      const request = view.get(certificateSigningRequests, name);
      return request && facts ? planSigningRequest(request, facts, nowMs) : nothing;
    },
  };
}

async function isAllowed(
  { spec }: CertificateSigningRequest,
  kind: NodeRequest,
  { client, signal }: LookParts,
): Promise<boolean> {
  const { username: user, groups, uid, extra } = spec;
  const resourceAttributes = {
    group: 'certificates.k8s.io',
    resource: 'certificatesigningrequests',
    verb: 'create',
    version: '*',
    subresource: kind,
  };
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user, groups, uid, extra, resourceAttributes },
  };
  const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
  const answer = await client.request<{ status?: { allowed?: boolean } }>('POST', path, review, signal);
  return answer.status?.allowed === true;
}

async function sign(
  ca: KeyPair,
  { spec }: CertificateSigningRequest,
  pem: string,
  kind: NodeRequest,
  nowMs: number,
): Promise<string> {
  const seconds = Math.min(spec.expirationSeconds ?? yearSeconds, yearSeconds);
  const use = kind === 'selfnodeserver' ? 'server' : 'client';
  const signing = { use, notBeforeMs: nowMs - backdateMs, notAfterMs: nowMs + seconds * 1000 } as const;
  return Buffer.from(await signRequest(ca, pem, signing)).toString('base64');
}
