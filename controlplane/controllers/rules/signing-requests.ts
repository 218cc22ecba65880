// Which certificates nodes get by themselves: who asked must be who the certificate is for. Verdicts, signatures, and what is old.
import { certificateSigningRequests } from '../../../kube/resources.ts';
import type { CertificateSigningRequest, Node } from '../../../kube/types.ts';
import type { Action, Outcome } from '../../model.ts';

/** What stands in the request itself; undefined where it cannot be read, or its signature does not hold. */
export interface Asked {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  readonly others: readonly string[];
}

/** What kind of certificate a node asks for, and the right that whoever asks must have. */
export type NodeRequest = 'nodeclient' | 'selfnodeclient' | 'selfnodeserver';

const clientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
const servingSigner = 'kubernetes.io/kubelet-serving';
const nodePrefix = 'system:node:';

/** Upstream's shapes, to the letter: anything else is left to people. */
export function recognise(request: CertificateSigningRequest, asked: Asked | undefined): NodeRequest | undefined {
  if (!asked?.commonName.startsWith(nodePrefix) || asked.organizations.join('\n') !== 'system:nodes') return undefined;
  if (asked.others.length > 0) return undefined;
  const { signerName, username, usages = [] } = request.spec;
  const named = asked.dnsNames.length + asked.addresses.length > 0;
  if (signerName === clientSigner && !named && hasUsages(usages, 'client auth'))
    return username === asked.commonName ? 'selfnodeclient' : 'nodeclient';
  const serves = signerName === servingSigner && named && hasUsages(usages, 'server auth');
  return serves && username === asked.commonName ? 'selfnodeserver' : undefined;
}

function hasUsages(usages: readonly string[], auth: string): boolean {
  const rest = usages.filter((one) => one !== 'key encipherment');
  return rest.length === 2 && rest.includes('digital signature') && rest.includes(auth);
}

/** A node may be called by its own names: those of its Node object, before there is one by its name and an address nobody has. */
export function ownsNames(asked: Asked, all: readonly Node[]): boolean {
  const name = asked.commonName.slice(nodePrefix.length);
  const addressesOf = (node: Node): string[] => (node.status?.addresses ?? []).map(({ address }) => address);
  const own = all.find(({ metadata }) => metadata.name === name);
  const known = own ? addressesOf(own) : [];
  const foreign = new Set(all.filter((node) => node !== own).flatMap(addressesOf));
  const names = [...asked.dnsNames, ...asked.addresses];
  if (names.some((one) => one !== name && foreign.has(one))) return false;
  return known.length > 0
    ? names.every((one) => one === name || known.includes(one))
    : asked.dnsNames.every((one) => one === name);
}

const messages: Readonly<Record<NodeRequest, string>> = {
  nodeclient: 'Auto approving kubelet client certificate after SubjectAccessReview.',
  selfnodeclient: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
  selfnodeserver: 'Auto approving kubelet serving certificate after SubjectAccessReview.',
};

export interface SigningFacts {
  readonly asked: Asked | undefined;
  readonly isAllowed: boolean;
  /** Made when the request is approved and wants one. */
  readonly certificate: string | undefined;
  readonly nodes: readonly Node[];
}

const has = ({ status }: CertificateSigningRequest, type: string): boolean =>
  status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;

/** Approved, by us or by a person, and ours to sign. */
export function wantsCertificate(request: CertificateSigningRequest): boolean {
  const ours = request.spec.signerName === clientSigner || request.spec.signerName === servingSigner;
  return (
    ours &&
    has(request, 'Approved') &&
    !has(request, 'Denied') &&
    !has(request, 'Failed') &&
    !request.status?.certificate
  );
}

export function planSigningRequest(
  request: CertificateSigningRequest,
  { asked, isAllowed, certificate, nodes }: SigningFacts,
  nowMs: number,
): Outcome {
  const ends = endMs(request);
  if (ends <= nowMs) return { actions: [remove(request)] };
  const again = { againInMs: ends - nowMs };
  if (wantsCertificate(request)) {
    const kind = recognise(request, asked);
    return { actions: [kind && certificate ? issue(request, certificate) : fail(request)], ...again };
  }
  if (has(request, 'Approved') || has(request, 'Denied')) return { actions: [], ...again };
  const kind = recognise(request, asked);
  const isOwn = kind !== 'selfnodeserver' || (asked !== undefined && ownsNames(asked, nodes));
  return { actions: kind && isAllowed && isOwn ? [approve(request, kind)] : [], ...again };
}

function approve(request: CertificateSigningRequest, kind: NodeRequest): Action {
  const condition = { type: 'Approved', status: 'True', reason: 'AutoApproved', message: messages[kind] };
  const conditions = [...(request.status?.conditions ?? []), condition];
  return update(request, { ...request.status, conditions }, 'approval', 'a node asks for its own certificate');
}

const issue = (request: CertificateSigningRequest, certificate: string): Action =>
  update(request, { ...request.status, certificate }, 'status', 'it is approved');

function fail(request: CertificateSigningRequest): Action {
  const message = 'the request does not have the shape that its signer asks for';
  const condition = { type: 'Failed', status: 'True', reason: 'SignerValidationFailure', message };
  const conditions = [...(request.status?.conditions ?? []), condition];
  return update(request, { ...request.status, conditions }, 'status', message);
}

function update(request: CertificateSigningRequest, status: object, subresource: string, because: string): Action {
  const object: CertificateSigningRequest = { ...request, status };
  return { do: 'Update', of: certificateSigningRequests, object, subresource, because };
}

const remove = ({ metadata: { name, uid } }: CertificateSigningRequest): Action => ({
  do: 'Delete',
  of: certificateSigningRequests,
  at: { name },
  ...(uid ? { options: { preconditions: { uid } } } : {}),
  because: 'nobody needs it any more',
});

const hourMs = 3_600_000;

/** Upstream's patience: an hour after a verdict, a day without one. */
function endMs({ metadata, status }: CertificateSigningRequest): number {
  const born = Date.parse(metadata.creationTimestamp ?? '');
  const verdicts = status?.conditions?.map(({ lastUpdateTime }) => Date.parse(lastUpdateTime ?? '')) ?? [];
  const last = Math.max(...verdicts.filter((one) => !Number.isNaN(one)));
  if (Number.isFinite(last)) return last + hourMs;
  return Number.isNaN(born) ? Number.POSITIVE_INFINITY : born + 24 * hourMs;
}
