// The whole proxy against an API server in memory: it watches, writes, answers on its doors, mends, and leaves its rules behind.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createIptables } from '../../host/iptables.ts';
import { silentLog } from '../../host/log.ts';
import { endpointSlices, events, nodes, services } from '../../kube/resources.ts';
import { parseProxyConfig } from '../../proxy/config/flags.ts';
import { cleanUp, type RunningProxy, startProxyWith } from '../../proxy/main.ts';
import { service, slice } from '../builders/service.ts';
import { createFakeApi, type FakeApi } from '../fakes/api-client.ts';
import { addresses, createTestNet, type TestNet } from '../rig/net.ts';

const vip = '10.96.0.10';
const flags = ['--kubeconfig=/none', '--hostname-override=node-1', '--cluster-cidr=10.244.0.0/16,fd00:10:244::/48'];
const stopping = new AbortController();
let net: TestNet;
let api: FakeApi;
let proxy: RunningProxy;

/** Asks until the answer comes, at most `withinMs`. */
async function until(ask: () => Promise<string>, wanted: RegExp, withinMs = 5000): Promise<void> {
  let answer = '';
  for (const end = Date.now() + withinMs; Date.now() < end; await sleep(50)) {
    answer = await ask();
    if (wanted.test(answer)) return;
  }
  assert.match(answer, wanted);
}

async function get(url: string): Promise<{ code: number; text: string; headers: Headers }> {
  const answer = await fetch(url);
  return { code: answer.status, text: await answer.text(), headers: answer.headers };
}

before(async () => {
  net = await createTestNet();
  await net.podA.serve('tcp', 8080);
  await net.podB.serve('tcp', 8080);
  api = createFakeApi();
  api.put(nodes, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-1' },
    status: { addresses: [{ type: 'InternalIP', address: addresses.node[4] }] },
  });
  const families = { clusterIP: vip, clusterIPs: [vip], ipFamilies: ['IPv4' as const] };
  api.put(services, service({ name: 'web', spec: families }));
  api.put(endpointSlices, slice({ service: 'web', endpoints: [{ ip: addresses.podA[4], node: 'node-1' }] }));
  proxy = await startProxyWith(api, await parseProxyConfig(flags), { log: silentLog, signal: stopping.signal });
  await proxy.synced;
});

after(async () => {
  await cleanUp(await parseProxyConfig(['--cleanup']), { log: silentLog, signal: AbortSignal.timeout(30_000) });
  await net.remove();
});

test('a Service that was there answers, and follows its endpoints', async () => {
  assert.match(await net.podB.ask(vip, 80), /^podA /);
  api.put(endpointSlices, slice({ service: 'web', endpoints: [{ ip: addresses.podB[4], node: 'node-1' }] }));
  await until(() => net.podA.ask(vip, 80), /^podB /);
});

test('health, figures and configuration are answered', async () => {
  const health = await get('http://127.0.0.1:10256/healthz');
  assert.equal(health.code, 200);
  assert.deepEqual(Object.keys(JSON.parse(health.text)), [
    'lastUpdated',
    'currentTime',
    'nodeEligible',
    'healthy',
    'status',
  ]);
  assert.equal((await get('http://127.0.0.1:10256/livez')).code, 200);
  assert.equal((await get('http://127.0.0.1:10249/proxyMode')).text, 'iptables');
  const figures = (await get('http://127.0.0.1:10249/metrics')).text;
  for (const name of ['sync_proxy_rules_duration_seconds', 'sync_proxy_rules_iptables_total', 'proxy_healthz_total'])
    assert.match(figures, new RegExp(`^kubeproxy_${name}`, 'm'));
  assert.match((await get('http://127.0.0.1:10249/configz')).text, /"clusterCIDR":"10\.244\.0\.0\/16,/);
});

test('a node that leaves is not healthy for load balancers, but lives', async () => {
  const node = api.peek(nodes, { name: 'node-1' });
  assert.ok(node);
  api.put(nodes, { ...node, spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } });
  await until(async () => String((await get('http://127.0.0.1:10256/healthz')).code), /503/);
  assert.equal((await get('http://127.0.0.1:10256/livez')).code, 200);
  api.put(nodes, { ...node, spec: {} });
});

test('a health check nodePort tells how many endpoints are here', async () => {
  const spec = {
    type: 'LoadBalancer' as const,
    clusterIP: '10.96.0.20',
    clusterIPs: ['10.96.0.20'],
    ipFamilies: ['IPv4' as const],
    externalTrafficPolicy: 'Local' as const,
    healthCheckNodePort: 31_000,
  };
  api.put(services, service({ name: 'balanced', spec }));
  api.put(endpointSlices, slice({ service: 'balanced', endpoints: [{ ip: addresses.podA[4], node: 'node-1' }] }));
  const url = 'http://127.0.0.1:31000/';
  await until(async () => get(url).then(({ text }) => text, String), /"localEndpoints":1/);
  assert.equal((await get(url)).headers.get('x-load-balancing-endpoint-weight'), '1');
  api.put(endpointSlices, slice({ service: 'balanced', endpoints: [{ ip: addresses.remote[4], node: 'node-2' }] }));
  await until(async () => String((await get(url)).code), /503/);
  await api.delete(services, { namespace: 'default', name: 'balanced' });
  await until(
    async () =>
      get(url).then(
        ({ text }) => text,
        () => 'closed',
      ),
    /closed/,
  );
});

test('a health check port that is taken is an event on the Service', async () => {
  const spec = {
    type: 'LoadBalancer' as const,
    clusterIP: '10.96.0.21',
    clusterIPs: ['10.96.0.21'],
    ipFamilies: ['IPv4' as const],
    externalTrafficPolicy: 'Local' as const,
    healthCheckNodePort: 10_256,
  };
  api.put(services, service({ name: 'taken', spec }));
  await until(async () => JSON.stringify(api.all(events)), /FailedToStartServiceHealthcheck/);
  await api.delete(services, { namespace: 'default', name: 'taken' });
});

test('a flush by somebody else is mended within seconds', async () => {
  const iptables = createIptables(4, 'nft');
  for (const table of ['nat', 'filter', 'mangle']) await iptables.command(['-t', table, '-F']);
  await until(() => net.podA.ask(vip, 80, { timeoutMs: 300 }), /^podB /, 6000);
});

test('when the proxy ends its rules stay', async () => {
  await proxy.stop();
  assert.match(await net.podA.ask(vip, 80), /^podB /);
  await assert.rejects(get('http://127.0.0.1:10256/healthz'));
});
