// What a Service asks for, read with distrust.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../../../kube/types.ts';
import { isProxied, readService } from '../../../../proxy/rules/service-ports.ts';
import { service } from '../../../builders/service.ts';

const dual = {
  clusterIP: '10.96.0.10',
  clusterIPs: ['10.96.0.10', 'fd00::a'],
  ipFamilies: ['IPv4', 'IPv6'] as ('IPv4' | 'IPv6')[],
};
const of = (spec: Partial<Service['spec']>, family: 4 | 6 = 4) =>
  readService(service({ name: 'web', spec: { ...dual, ...spec } }), family);

test('a dual-stack Service has an address in each family', () => {
  assert.equal(of({}).ports[0]?.clusterIp, '10.96.0.10');
  assert.equal(of({}, 6).ports[0]?.clusterIp, 'fd00::a');
});

test('a single-stack Service has none in the other, and old objects have only clusterIP', () => {
  const old = service({ name: 'web', spec: { clusterIP: '10.96.0.10' } });
  assert.equal(readService(old, 4).ports[0]?.clusterIp, '10.96.0.10');
  assert.deepEqual(readService(old, 6).ports, []);
  assert.deepEqual(of({ ipFamilies: ['IPv4'], clusterIPs: ['10.96.0.10'] }, 6).ports, []);
});

test('what is not ours to proxy', () => {
  const labels = { 'service.kubernetes.io/service-proxy-name': '' };
  assert.equal(isProxied(service({ name: 'a', spec: dual, labels })), false);
  assert.equal(isProxied(service({ name: 'a', spec: { ...dual, type: 'ExternalName' } })), false);
  assert.equal(isProxied(service({ name: 'a', spec: { clusterIP: 'None' } })), false);
  assert.equal(isProxied(service({ name: 'a', spec: {} })), false);
  assert.equal(isProxied(service({ name: 'a', spec: dual })), true);
});

test('external policy counts only where something is external', () => {
  const local = { externalTrafficPolicy: 'Local' as const };
  assert.equal(of(local).ports[0]?.externalLocal, false);
  assert.equal(of({ ...local, externalIPs: ['203.0.113.1'] }).ports[0]?.externalLocal, true);
  assert.equal(of({ ...local, type: 'NodePort' }).ports[0]?.externalLocal, true);
});

test('source ranges: all, none of this family, and none that can be read', () => {
  const ranges = (...texts: string[]) =>
    of({ type: 'LoadBalancer', loadBalancerSourceRanges: texts }).ports[0]?.sourceRanges;
  assert.equal(ranges('0.0.0.0/0', '10.0.0.0/8'), undefined);
  assert.equal(ranges('2001:db8::/32'), undefined);
  assert.deepEqual(ranges('10.1.2.3/8'), ['10.0.0.0/8']);
  assert.deepEqual(ranges('10.0.0.0/8 -j ACCEPT'), []);
});

test('affinity times that cannot be are the default', () => {
  const seconds = (timeoutSeconds: number) =>
    of({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } }).ports[0]
      ?.affinitySeconds;
  assert.deepEqual([1, 86_400, 0, -5, 1.5, 86_401].map(seconds), [1, 86_400, 10_800, 10_800, 10_800, 10_800]);
});

test('ports that are none are left out, and it is said why', () => {
  const ports = [
    { port: 80 },
    { port: 0 },
    { port: 70_000 },
    { port: '80 -j' as never },
    { port: 80, protocol: 'ICMP' as never },
  ];
  const { ports: read, problems } = of({ ports });
  assert.equal(read.length, 1);
  assert.equal(problems.length, 4);
});
