import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capabilityArgs, cniArgs } from '../../../../../agent/network/rules/arguments.ts';
import type { Pod } from '../../../../../kube/types.ts';

const pod = (spec: Partial<Pod['spec']> = {}, annotations: Record<string, string> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid: 'u1', annotations },
  spec: { containers: [{ name: 'c' }], ...spec },
});

test('CNI_ARGS name the pod', () => {
  assert.equal(
    cniArgs(pod(), 'abc'),
    'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=u1',
  );
});

test('a plain pod asks for nothing', () => assert.deepEqual(capabilityArgs(pod(), []), {}));

test('host ports, bandwidth, ranges and DNS become arguments of their capabilities', () => {
  const spec = {
    containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 8080 }, { containerPort: 90 }] }],
    initContainers: [
      { name: 'i', ports: [{ containerPort: 1, hostPort: 1 }] },
      {
        name: 's',
        restartPolicy: 'Always' as const,
        ports: [{ containerPort: 53, hostPort: 53, protocol: 'UDP' as const, hostIP: '127.0.0.1' }],
      },
    ],
    dnsConfig: { nameservers: ['10.96.0.10'] },
  };
  const annotations = { 'kubernetes.io/ingress-bandwidth': '10M', 'kubernetes.io/egress-bandwidth': '1G' };
  assert.deepEqual(capabilityArgs(pod(spec, annotations), ['10.244.1.0/24', 'fd00::/64']), {
    portMappings: [
      { hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '' },
      { hostPort: 53, containerPort: 53, protocol: 'udp', hostIP: '127.0.0.1' },
    ],
    bandwidth: { ingressRate: 1e7, ingressBurst: 2147483647, egressRate: 1e9, egressBurst: 2147483647 },
    ipRanges: [[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd00::/64' }]],
    dns: { servers: ['10.96.0.10'], searches: [] },
  });
});

test('a bandwidth beyond reason is refused', () => {
  for (const text of ['999', '2P']) {
    assert.throws(
      () => capabilityArgs(pod({}, { 'kubernetes.io/egress-bandwidth': text }), []),
      /not between 1k and 1P/,
    );
  }
});
