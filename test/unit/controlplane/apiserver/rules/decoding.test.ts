// What comes in: fields by type, protobuf by table, duplicates, routes, Accept headers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duplicateFields } from '../../../../../controlplane/apiserver/http/body.ts';
import { loadSchema } from '../../../../../controlplane/apiserver/load.ts';
import { chooseAnswer, chooseDiscovery } from '../../../../../controlplane/apiserver/rules/accept.ts';
import { readFields } from '../../../../../controlplane/apiserver/rules/fields.ts';
import { createDecoder } from '../../../../../controlplane/apiserver/rules/protobuf.ts';
import { parseRoute } from '../../../../../controlplane/apiserver/rules/route.ts';

const schema = loadSchema();

test('fields are read by type: unknown ones named, quantities and times made canonical', () => {
  const { object, unknown } = readFields(schema, 'core/v1.Pod', {
    metadata: { name: 'web', creationTimestamp: '2026-01-01T02:00:00+02:00', nope: 1 },
    spec: {
      containers: [{ name: 'a', resources: { limits: { cpu: 0.5, memory: '1024Mi' } }, imagesPullPolicy: 'Always' }],
      nodeName: null,
    },
  });
  assert.deepEqual(unknown, ['metadata.nope', 'spec.containers[0].imagesPullPolicy']);
  assert.deepEqual(object, {
    metadata: { name: 'web', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { containers: [{ name: 'a', resources: { limits: { cpu: '500m', memory: '1Gi' } } }] },
  });
});

test('a value of the wrong type is refused with its field', () => {
  assert.throws(() => readFields(schema, 'core/v1.Pod', { spec: { containers: [{ name: 5 }] } }), {
    message: 'json: cannot unmarshal number into Go struct field spec.containers[0].name of type string',
  });
});

test('fields that are written twice are found, wherever they are', () => {
  const text = '{"a":1,"b":{"c":[{"d":1,"d":2},{"d":1}],"c":[]},"a":"{\\"a\\":1}"}';
  assert.deepEqual(duplicateFields(text), ['b.c[0].d', 'b.c', 'a']);
});

const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)]);
const bytes = (field: number, value: Buffer | string): Buffer => {
  const body = Buffer.from(value);
  return Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(body.length)]), body]);
};
const number = (field: number, value: number): Buffer => Buffer.from([...varint(field << 3), ...varint(value)]);
const envelope = (apiVersion: string, kind: string, raw: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from('k8s\0', 'latin1'),
    bytes(1, Buffer.concat([bytes(1, apiVersion), bytes(2, kind)])),
    bytes(2, raw),
  ]);

test('protobuf bodies become the object that JSON would have given', () => {
  const metadata = bytes(
    1,
    Buffer.concat([bytes(1, 'web'), bytes(11, Buffer.concat([bytes(1, 'app'), bytes(2, 'x')]))]),
  );
  const probe = bytes(
    10,
    Buffer.concat([
      bytes(1, bytes(2, Buffer.concat([bytes(1, '/h'), bytes(2, Buffer.concat([number(1, 0), number(2, 80)]))]))),
      number(4, 0),
    ]),
  );
  const limits = bytes(8, bytes(1, Buffer.concat([bytes(1, 'cpu'), bytes(2, bytes(1, '1'))])));
  const container = bytes(2, Buffer.concat([bytes(1, 'a'), bytes(2, 'img'), limits, probe]));
  const volume = bytes(1, Buffer.concat([bytes(1, 'v'), bytes(2, bytes(2, Buffer.alloc(0)))]));
  const spec = bytes(2, Buffer.concat([volume, container, number(4, 0)]));
  assert.deepEqual(createDecoder(schema).decode(envelope('v1', 'Pod', Buffer.concat([metadata, spec]))), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', labels: { app: 'x' } },
    spec: {
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        {
          name: 'a',
          image: 'img',
          resources: { limits: { cpu: '1' } },
          livenessProbe: { httpGet: { path: '/h', port: 80 } },
        },
      ],
      terminationGracePeriodSeconds: 0,
    },
  });
});

test('a broken protobuf body is refused', () => {
  const whole = envelope('v1', 'Pod', bytes(1, bytes(1, 'web')));
  for (const body of [
    whole.subarray(0, whole.length - 1),
    Buffer.from('nope'),
    envelope('v9', 'Nope', Buffer.alloc(0)),
  ]) {
    assert.throws(() => createDecoder(schema).decode(body), { name: 'WireError' });
  }
});

const none = { group: '', version: '', resource: '', subresource: '', namespace: '', name: '', rest: '' };
const routes: [string, string, object][] = [
  ['GET', '/healthz', { ...none, verb: 'get', path: '/healthz' }],
  ['GET', '/api/v1/pods', { ...none, version: 'v1', verb: 'list', resource: 'pods' }],
  [
    'GET',
    '/api/v1/namespaces/a/pods?watch=1',
    { ...none, version: 'v1', verb: 'watch', resource: 'pods', namespace: 'a' },
  ],
  [
    'PUT',
    '/api/v1/namespaces/a/pods/b/status',
    { ...none, version: 'v1', verb: 'update', resource: 'pods', namespace: 'a', name: 'b', subresource: 'status' },
  ],
  [
    'GET',
    '/api/v1/namespaces/a',
    { ...none, version: 'v1', verb: 'get', resource: 'namespaces', namespace: 'a', name: 'a' },
  ],
  [
    'PUT',
    '/api/v1/namespaces/a/finalize',
    {
      ...none,
      version: 'v1',
      verb: 'update',
      resource: 'namespaces',
      namespace: 'a',
      name: 'a',
      subresource: 'finalize',
    },
  ],
  [
    'DELETE',
    '/apis/g.io/v2/things',
    { ...none, group: 'g.io', version: 'v2', verb: 'deletecollection', resource: 'things' },
  ],
  [
    'GET',
    '/api/v1/nodes/n/proxy/a/b',
    { ...none, version: 'v1', verb: 'get', resource: 'nodes', name: 'n', subresource: 'proxy', rest: '/a/b' },
  ],
];
for (const [method, url, expected] of routes) {
  test(`${method} ${url} is routed`, () => {
    const { query: _, ...route } = parseRoute(method, url);
    assert.deepEqual(route, expected);
  });
}

test('the first form that is offered wins, and one that is not is refused', () => {
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
  assert.deepEqual(chooseAnswer(table), { media: 'application/json', form: 'table', version: 'v1' });
  assert.deepEqual(chooseAnswer('application/vnd.kubernetes.protobuf,application/json'), {
    media: 'application/json',
    form: 'object',
    version: 'v1',
  });
  assert.throws(() => chooseAnswer('image/png'), { code: 406 });
  assert.equal(
    chooseDiscovery('application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json'),
    'v2beta1',
  );
  assert.equal(chooseDiscovery('application/json'), undefined);
});
