// Which files stand in a written volume.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  configMapPayload,
  mergePayloads,
  type Payload,
  secretPayload,
} from '../../../../../agent/volumes/rules/payload.ts';
import type { ConfigMap, Secret } from '../../../../../kube/types.ts';

const metadata = { name: 'o', namespace: 'default', uid: 'u' };
const configMap = (data: Record<string, string>, binaryData = {}): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata,
  data,
  binaryData,
});
const secret: Secret = { apiVersion: 'v1', kind: 'Secret', metadata, data: { user: 'YW5uYQ==' } };
const shown = (payload: Payload) => [...payload].map(([path, { data, mode }]) => [path, data.toString('latin1'), mode]);

test('every key of a ConfigMap is a file, binary ones byte by byte, odd names as they are', () => {
  const data: Record<string, string> = JSON.parse('{"a":"1","__proto__":"p","constructor":"c"}');
  assert.deepEqual(shown(configMapPayload(configMap(data, { bin: '/wA=' }), 'o', { mode: 0o644 })), [
    ['a', '1', 0o644],
    ['__proto__', 'p', 0o644],
    ['constructor', 'c', 0o644],
    ['bin', '\xff\0', 0o644],
  ]);
});

test('items choose keys, paths and modes', () => {
  const items = [
    { key: 'a', path: './x//y', mode: 0o400 },
    { key: 'a', path: 'z' },
  ];
  assert.deepEqual(shown(configMapPayload(configMap({ a: '1', b: '2' }), 'o', { items, mode: 0o600 })), [
    ['x/y', '1', 0o400],
    ['z', '1', 0o600],
  ]);
});

test('a Secret is decoded', () => {
  assert.deepEqual(shown(secretPayload(secret, 'o', { mode: 0o644 })), [['user', 'anna', 0o644]]);
});

test('what is missing is an error in upstream words, unless it is optional', () => {
  const items = [{ key: 'toString', path: 'k' }];
  const absent: [() => Payload, string][] = [
    [() => configMapPayload(undefined, 'o', { mode: 0 }), 'configmap "o" not found'],
    [() => secretPayload(undefined, 'o', { mode: 0 }), 'secret "o" not found'],
    [
      () => configMapPayload(configMap({}), 'o', { items, mode: 0 }),
      'configmap references non-existent config key: toString',
    ],
    [() => secretPayload(secret, 'o', { items, mode: 0 }), 'references non-existent secret key: toString'],
    [() => configMapPayload(configMap({ '../x': '' }), 'o', { mode: 0 }), "invalid path: must not contain '..': ../x"],
  ];
  for (const [make, message] of absent) assert.throws(make, { name: 'SetUpError', message });
  assert.equal(configMapPayload(undefined, 'o', { mode: 0, optional: true }).size, 0);
  assert.equal(secretPayload(secret, 'o', { items, mode: 0, optional: true }).size, 0);
});

test('a mode is nine permission bits: no set-id file can be asked for', () => {
  assert.deepEqual(shown(configMapPayload(configMap({ a: '' }), 'o', { mode: 0o6755 })), [['a', '', 0o755]]);
});

test('of two sources with one path the later wins', () => {
  const one = configMapPayload(configMap({ a: '1', b: '1' }), 'o', { mode: 0o644 });
  const two = configMapPayload(configMap({ a: '2' }), 'o', { mode: 0o600 });
  assert.deepEqual(shown(mergePayloads([one, two])), [
    ['a', '2', 0o600],
    ['b', '1', 0o644],
  ]);
});
