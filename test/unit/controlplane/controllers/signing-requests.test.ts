// Which certificates nodes get by themselves, and which are left to people.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Asked,
  ownsNames,
  planSigningRequest,
  recognise,
} from '../../../../controlplane/controllers/rules/signing-requests.ts';
import type { CertificateSigningRequest, Node } from '../../../../kube/types.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const asked: Asked = {
  commonName: 'system:node:a',
  organizations: ['system:nodes'],
  dnsNames: [],
  addresses: [],
  others: [],
};
const serving: Asked = { ...asked, dnsNames: ['a'], addresses: ['10.0.0.1'] };

function request(spec: object, status: object = {}): CertificateSigningRequest {
  const metadata = { name: 'csr', creationTimestamp: '2026-01-01T00:00:00Z' };
  const kind = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest' };
  return { ...kind, metadata, spec: { request: '', ...spec }, status } as unknown as CertificateSigningRequest;
}
const client = {
  signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
  usages: ['digital signature', 'client auth'],
  username: 'system:bootstrap:abcdef',
};
const server = {
  signerName: 'kubernetes.io/kubelet-serving',
  usages: ['key encipherment', 'digital signature', 'server auth'],
  username: 'system:node:a',
};
const nodeAt = (name: string, address: string): Node =>
  ({ metadata: { name }, status: { addresses: [{ type: 'InternalIP', address }] } }) as Node;

test('requests of nodes are recognised by their shape, to the letter', () => {
  const cases: [object, Asked | undefined, string | undefined][] = [
    [client, asked, 'nodeclient'],
    [{ ...client, username: 'system:node:a' }, asked, 'selfnodeclient'],
    [server, serving, 'selfnodeserver'],
    [{ ...server, username: 'system:node:b' }, serving, undefined],
    [{ ...client, usages: [...client.usages, 'server auth'] }, asked, undefined],
    [client, { ...asked, organizations: ['system:nodes', 'system:masters'] }, undefined],
    [client, { ...asked, commonName: 'admin' }, undefined],
    [client, serving, undefined],
    [server, { ...serving, others: ['url:spiffe://x'] }, undefined],
    [{ ...client, signerName: 'kubernetes.io/kube-apiserver-client' }, asked, undefined],
    [client, undefined, undefined],
  ];
  for (const [spec, facts, kind] of cases) assert.equal(recognise(request(spec), facts), kind);
});

test('a serving certificate names the node itself, and nobody else', () => {
  const cases: [Asked, Node[], boolean][] = [
    [serving, [], true],
    [serving, [nodeAt('a', '10.0.0.1')], true],
    [serving, [nodeAt('a', '10.0.0.9')], false],
    [serving, [nodeAt('b', '10.0.0.1')], false],
    [{ ...serving, dnsNames: ['kubernetes'] }, [], false],
  ];
  for (const [facts, nodes, own] of cases) assert.equal(ownsNames(facts, nodes), own);
});

test('a request is approved, signed, and forgotten in its time', () => {
  const facts = { asked, isAllowed: true, certificate: undefined, nodes: [] };
  const verdict = { type: 'Approved', status: 'True', lastUpdateTime: '2026-01-01T00:00:00Z' };
  const approved = request(client, { conditions: [verdict] });
  const said = (outcome: ReturnType<typeof planSigningRequest>): string[] =>
    outcome.actions.map(
      (one) => `${one.do} ${'subresource' in one ? one.subresource : ''}: ${'because' in one ? one.because : ''}`,
    );
  assert.deepEqual(said(planSigningRequest(request(client), facts, now)), [
    'Update approval: a node asks for its own certificate',
  ]);
  assert.deepEqual(said(planSigningRequest(request(client), { ...facts, isAllowed: false }, now)), []);
  assert.deepEqual(said(planSigningRequest(approved, { ...facts, certificate: 'PEM' }, now)), [
    'Update status: it is approved',
  ]);
  assert.deepEqual(said(planSigningRequest(approved, { ...facts, asked: undefined }, now)), [
    'Update status: the request does not have the shape that its signer asks for',
  ]);
  assert.deepEqual(said(planSigningRequest(approved, facts, now + 3_600_000)), ['Delete : nobody needs it any more']);
});
