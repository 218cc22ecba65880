// The Service and the slice in the API: made once, mended, left alone where they are somebody else's, taken away.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ensurePublished, ensureService, withdraw } from '../../../../controlplane/dns/publish.ts';
import type { Published } from '../../../../controlplane/dns/rules/publish.ts';
import { endpointSlices, services } from '../../../../kube/resources.ts';
import { service } from '../../../builders/service.ts';
import { apiError, createFakeApi } from '../../../fakes/api-client.ts';

const wish: Published = { address: '192.168.77.2', port: 10053, nodeName: 'one', clusterIp: '10.96.0.10' };
const { signal } = new AbortController();
const at = { namespace: 'kube-system', name: 'kube-dns' };
const sliceAt = { namespace: 'kube-system', name: 'kube-dns-192-168-77-2' };
const foreign = service({ ...at, spec: { clusterIP: '10.96.0.10', selector: { 'k8s-app': 'kube-dns' } } });

test('the Service and the slice are made once, and a second look writes nothing', async () => {
  const api = createFakeApi();
  await ensurePublished(api, wish, signal);
  assert.deepEqual(api.peek(services, at)?.spec, {
    type: 'ClusterIP',
    clusterIP: '10.96.0.10',
    ports: [
      { name: 'dns', port: 53, protocol: 'UDP', targetPort: 10053 },
      { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 10053 },
    ],
  });
  const slice = api.peek(endpointSlices, sliceAt);
  assert.deepEqual(slice?.metadata.labels, {
    'kubernetes.io/service-name': 'kube-dns',
    'endpointslice.kubernetes.io/managed-by': 'nodelet-dns',
    'k8s-app': 'kube-dns',
  });
  assert.deepEqual(slice?.endpoints, [{ addresses: ['192.168.77.2'], conditions: { ready: true }, nodeName: 'one' }]);
  const before = api.requests.length;
  await ensurePublished(api, wish, signal);
  assert.deepEqual([...new Set(api.requests.slice(before).map(({ verb }) => verb))], ['get']);
});

test('a slice that leads elsewhere is mended, one that is gone is made again', async () => {
  const api = createFakeApi();
  await ensurePublished(api, wish, signal);
  await ensurePublished(api, { ...wish, port: 10054 }, signal);
  assert.deepEqual(
    api.peek(endpointSlices, sliceAt)?.ports?.map(({ port }) => port),
    [10054, 10054],
  );
  await withdraw(api, wish, signal);
  assert.equal(api.peek(endpointSlices, sliceAt), undefined);
  await withdraw(api, wish, signal);
  await ensurePublished(api, wish, signal);
  assert.ok(api.peek(endpointSlices, sliceAt));
});

test('a Service with pods of its own is left alone, and our slice leaves it', async () => {
  const api = createFakeApi();
  await ensurePublished(api, wish, signal);
  await api.delete(services, at);
  api.put(services, foreign);
  await ensurePublished(api, wish, signal);
  assert.deepEqual(api.peek(services, at)?.spec, foreign.spec);
  assert.equal(api.peek(endpointSlices, sliceAt), undefined);
});

test('an address that somebody took before us leaves us with any other', async () => {
  const api = createFakeApi();
  api.fail(({ verb }) => verb === 'create', apiError('Invalid'));
  const made = await ensureService(api, wish, signal);
  assert.equal(made.spec.clusterIP, undefined);
});
