// The whole server against an API in memory: it answers what the API says now, announces itself, and leaves nothing behind.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { decode } from 'dns-packet';
import type { DnsConfig } from '../../../../controlplane/dns/flags.ts';
import { exchange } from '../../../../controlplane/dns/forward/exchange.ts';
import { type RunningDns, startDnsWith } from '../../../../controlplane/dns/main.ts';
import { parseNetworks } from '../../../../controlplane/dns/rules/clients.ts';
import { systemClock } from '../../../../host/clock.ts';
import { silentLog } from '../../../../host/log.ts';
import { endpointSlices, namespaces, services } from '../../../../kube/resources.ts';
import { ask } from '../../../builders/dns.ts';
import { service } from '../../../builders/service.ts';
import { createFakeApi, type FakeApi } from '../../../fakes/api-client.ts';

const withinMs = 10_000;
const kubeDns = { namespace: 'kube-system', name: 'kube-dns' };

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

async function start(api: FakeApi): Promise<{ dns: RunningDns; config: DnsConfig }> {
  const config: DnsConfig = {
    ...{ kubeconfig: '', domain: 'cluster.local', address: '127.0.0.1', port: await freePort() },
    ...{ clusterIp: '10.96.0.10', nodeName: 'one', resolvConf: '' },
    networks: parseNetworks('127.0.0.0/8') ?? [],
  };
  const parts = { log: silentLog, clock: systemClock, signal: AbortSignal.timeout(60_000) };
  return { dns: await startDnsWith(api, config, parts), config };
}

function withHello(): FakeApi {
  const api = createFakeApi();
  api.put(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default', uid: 'n' } });
  api.put(services, service({ name: 'hello', spec: { clusterIP: '10.96.0.5' } }));
  return api;
}

async function addresses(port: number, name: string): Promise<unknown[]> {
  const { answers = [] } = decode(await exchange('127.0.0.1', ask(name), AbortSignal.timeout(withinMs), port));
  return answers.map((one) => ('data' in one ? one.data : undefined));
}

/** Asks until the answer is the wanted one; a wait of at most ten seconds. */
async function becomes(port: number, name: string, wanted: unknown[]): Promise<void> {
  for (const end = Date.now() + withinMs; Date.now() < end; await systemClock.sleep(5)) {
    if (JSON.stringify(await addresses(port, name)) === JSON.stringify(wanted)) return;
  }
  assert.deepEqual(await addresses(port, name), wanted);
}

test('from the first answer on it knows everything; changes are heard; the end takes the slice away', async () => {
  const api = withHello();
  const { dns, config } = await start(api);
  const name = 'hello.default.svc.cluster.local';
  assert.deepEqual([dns.isServing, dns.clusterIp], [true, '10.96.0.10']);
  assert.deepEqual(await addresses(config.port, name), ['10.96.0.5']);
  api.put(services, service({ name: 'hello', spec: { clusterIP: '10.96.0.6' } }));
  await becomes(config.port, name, ['10.96.0.6']);
  api.breakWatches();
  await api.delete(services, { namespace: 'default', name: 'hello' });
  await becomes(config.port, name, []);
  assert.equal(api.all(endpointSlices).length, 1);
  await dns.stop();
  assert.equal(api.all(endpointSlices).length, 0);
  assert.ok(api.peek(services, kubeDns));
});

test('where the cluster has a DNS server of its own, nothing is started and its address is told', async () => {
  const api = withHello();
  api.put(services, service({ ...kubeDns, spec: { clusterIP: '10.96.0.53', selector: { 'k8s-app': 'kube-dns' } } }));
  const { dns, config } = await start(api);
  assert.deepEqual([dns.isServing, dns.clusterIp], [false, '10.96.0.53']);
  assert.equal(api.all(endpointSlices).length, 0);
  await assert.rejects(addresses(config.port, 'hello.default.svc.cluster.local'));
  await dns.stop();
});
