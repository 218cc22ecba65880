// Chain names are kube-proxy's, so that iptables-save looks familiar.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointChain, isOurChain, portChains, rankOf } from '../../../../proxy/rules/names.ts';

test('names are the ones that kube-proxy gives', () => {
  assert.equal(portChains('ns4/svc4:p80', 'tcp').cluster, 'KUBE-SVC-4SW47YFZTEDKD3PK');
  assert.equal(portChains('default/kubernetes:https', 'tcp').cluster, 'KUBE-SVC-NPX46M4PTMTKRN6Y');
  assert.equal(endpointChain('ns1/svc1:p80', 'tcp', '10.180.0.1:80'), 'KUBE-SEP-SXIVWICOYRO3J4NJ');
});

test('chains of others are not ours, whatever they look like', () => {
  for (const name of [
    'DOCKER',
    'KUBE-FIREWALL',
    'KUBE-MARK-DROP',
    'KUBE-KUBELET-CANARY',
    'KUBE-SVC-short',
    'KUBE-ROUTER-FORWARD',
  ])
    assert.equal(isOurChain(name), false, name);
  for (const name of ['KUBE-SVC-4SW47YFZTEDKD3PK', 'KUBE-VIP-10.96.0.0-28', 'KUBE-SERVICES', 'KUBE-PORT-tcp-30080-12'])
    assert.equal(isOurChain(name), true, name);
});

test('what is jumped to ranks below what jumps', () => {
  const order = [
    'KUBE-MARK-MASQ',
    'KUBE-SEP-4SW47YFZTEDKD3PK',
    'KUBE-SHR-4SW47YFZTEDKD3PK',
    'KUBE-SVC-4SW47YFZTEDKD3PK',
    'KUBE-EXT-4SW47YFZTEDKD3PK',
    'KUBE-FW-4SW47YFZTEDKD3PK',
    'KUBE-VIP-10.96.0.0-28',
    'KUBE-VIP-10.96.0.0-24',
    'KUBE-VIP-10.0.0.0-8',
    'KUBE-DISPATCH',
    'KUBE-SERVICES',
  ];
  assert.deepEqual(
    order.toReversed().sort((a, b) => rankOf(a) - rankOf(b)),
    order,
  );
});
