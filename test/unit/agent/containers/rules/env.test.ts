// A container's environment, and what may not be in one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { containerEnv, type EnvObjects } from '../../../../../agent/containers/rules/env.ts';
import { expand } from '../../../../../agent/containers/rules/expand.ts';
import type { ConfigMap, Container, Secret, Service } from '../../../../../kube/types.ts';
import { container, pod } from '../../../../builders/pod.ts';

const facts = {
  nodeName: 'node-1',
  hostIps: ['192.168.77.2'],
  podIps: ['10.244.0.5', 'fd00::5'],
  allocatable: { cpu: '2', memory: '1Gi' },
};
const nothing: EnvObjects = { configMaps: new Map(), secrets: new Map(), services: [] };
const env = (over: Partial<Container>, objects: Partial<EnvObjects> = {}) =>
  Object.fromEntries(
    containerEnv(pod({ serviceAccountName: 'sa' }), container('main', over), { ...nothing, ...objects }, facts),
  );

for (const [text, wanted] of [
  ['$(A)', 'a'],
  ['$(NO)', '$(NO)'],
  ['$$(A)', '$(A)'],
  ['$$', '$'],
  ['$A', '$A'],
  ['$(A', '$(A'],
  ['x$(A)y$(A)', 'xaya'],
  ['$', '$'],
] as const) {
  test(`${JSON.stringify(text)} expands to ${JSON.stringify(wanted)}`, () => {
    assert.equal(expand(text, new Map([['A', 'a']])), wanted);
  });
}

test('expansion never expands what it put in', () => {
  fc.assert(fc.property(fc.string(), (text) => expand('$(A)', new Map([['A', text]])) === text));
});

test('values that grow by powers end as an error, not as a full memory', () => {
  const variables = Array.from({ length: 30 }, (_, at) => ({
    name: `V${at + 1}`,
    value: `$(V${at})`.repeat(10),
  }));
  assert.throws(() => env({ env: [{ name: 'V0', value: 'x'.repeat(100) }, ...variables] }), /longer than 1 MiB/);
});

test('later values win: services, then envFrom, then env', () => {
  const configMap = { data: { A: 'map', B: 'map', KUBERNETES_SERVICE_HOST: 'map' } } as unknown as ConfigMap;
  const service = {
    metadata: { name: 'kubernetes', namespace: 'default' },
    spec: { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443 }] },
  } as unknown as Service;
  const got = env(
    {
      envFrom: [{ configMapRef: { name: 'm' } }],
      env: [
        { name: 'B', value: 'own' },
        { name: 'C', value: '$(A)-$(KUBERNETES_SERVICE_PORT)' },
      ],
    },
    { configMaps: new Map([['m', configMap]]), services: [service] },
  );
  assert.deepEqual(got, {
    KUBERNETES_SERVICE_HOST: 'map',
    KUBERNETES_SERVICE_PORT: '443',
    KUBERNETES_SERVICE_PORT_HTTPS: '443',
    KUBERNETES_PORT: 'tcp://10.96.0.1:443',
    KUBERNETES_PORT_443_TCP: 'tcp://10.96.0.1:443',
    KUBERNETES_PORT_443_TCP_PROTO: 'tcp',
    KUBERNETES_PORT_443_TCP_PORT: '443',
    KUBERNETES_PORT_443_TCP_ADDR: '10.96.0.1',
    A: 'map',
    B: 'own',
    C: 'map-443',
  });
});

test('fields and resources of the pod itself', () => {
  const field = (fieldPath: string) => ({ name: fieldPath, valueFrom: { fieldRef: { fieldPath } } });
  const resource = (name: string, of: string, divisor?: string) => ({
    name,
    valueFrom: { resourceFieldRef: { resource: of, ...(divisor ? { divisor } : {}) } },
  });
  const got = env({
    resources: { limits: { cpu: '250m' }, requests: { memory: '32Mi' } },
    env: [
      field('metadata.name'),
      field('status.podIPs'),
      field('status.hostIP'),
      field('spec.nodeName'),
      field('spec.serviceAccountName'),
      resource('cores', 'limits.cpu'),
      resource('milli', 'limits.cpu', '1m'),
      resource('request', 'requests.memory', '1Mi'),
      resource('limit', 'limits.memory', '1Mi'),
      resource('none', 'requests.cpu'),
    ],
  });
  assert.deepEqual(got, {
    'metadata.name': 'web',
    'status.podIPs': '10.244.0.5,fd00::5',
    'status.hostIP': '192.168.77.2',
    'spec.nodeName': 'node-1',
    'spec.serviceAccountName': 'sa',
    cores: '1',
    milli: '250',
    request: '32',
    limit: '1024',
    none: '0',
  });
});

for (const [name, over, objects, message] of [
  ['a ConfigMap', { envFrom: [{ configMapRef: { name: 'x' } }] }, {}, 'configmap "x" not found'],
  ['a Secret', { envFrom: [{ secretRef: { name: 'x' } }] }, {}, 'secret "x" not found'],
  [
    'a key',
    { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'x', key: 'k' } } }] },
    { secrets: new Map([['x', { data: {} } as unknown as Secret]]) },
    "couldn't find key k in Secret default/x",
  ],
  [
    'an inherited key',
    { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'x', key: 'constructor' } } }] },
    { configMaps: new Map([['x', { data: {} } as unknown as ConfigMap]]) },
    "couldn't find key constructor in ConfigMap default/x",
  ],
] as const) {
  test(`missing: ${name}`, () => {
    assert.throws(() => env(over as unknown as Partial<Container>, objects), { name: 'ContainerConfigError', message });
  });
}

test('what is optional is left out', () => {
  const optional = { name: 'x', key: 'k', optional: true };
  assert.deepEqual(env({ env: [{ name: 'A', valueFrom: { secretKeyRef: optional } }] }), {});
});

test('names and values that the engine would cut are refused; __proto__ is a name like any other', () => {
  assert.throws(() => env({ env: [{ name: 'A', value: 'a\0b' }] }), /contains a NUL character/);
  assert.throws(() => env({ env: [{ name: 'A=B', value: '' }] }), /invalid environment variable name/);
  const map = containerEnv(pod(), container('main', { env: [{ name: '__proto__', value: 'x' }] }), nothing, facts);
  assert.deepEqual([...map], [['__proto__', 'x']]);
});
