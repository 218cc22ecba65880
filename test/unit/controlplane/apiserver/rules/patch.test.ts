// The three kinds of patch, as tables of whole expected values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSchema } from '../../../../../controlplane/apiserver/load.ts';
import { jsonPatch, mergePatch } from '../../../../../controlplane/apiserver/rules/patch/merge.ts';
import { strategicPatch } from '../../../../../controlplane/apiserver/rules/patch/strategic.ts';

const schema = loadSchema();
const pod = (spec: object) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec });
const strategic = (target: object, patch: object) =>
  strategicPatch(schema, 'core/v1.Pod', pod(target), { spec: patch })['spec'];

test('a merge patch merges objects, replaces lists and removes by null', () => {
  const target = { a: { b: 1, c: 2 }, list: [1, 2], gone: true };
  assert.deepEqual(mergePatch(target, { a: { c: null, d: 3 }, list: [3], gone: null }), {
    a: { b: 1, d: 3 },
    list: [3],
  });
});

test('a name like __proto__ stays data', () => {
  const patch = JSON.parse('{"__proto__":{"polluted":true}}');
  const result = mergePatch({}, patch) as object;
  assert.deepEqual(Object.keys(result), ['__proto__']);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

const jsonCases: [string, unknown, object[], unknown][] = [
  ['add to an object', { a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
  ['add to a list at a place', { a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
  ['add to the end of a list', { a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
  ['remove', { a: 1, b: [1, 2] }, [{ op: 'remove', path: '/b/0' }], { a: 1, b: [2] }],
  ['replace with escapes', { 'a/b': 1 }, [{ op: 'replace', path: '/a~1b', value: 2 }], { 'a/b': 2 }],
  ['move', { a: 1 }, [{ op: 'move', from: '/a', path: '/b' }], { b: 1 }],
  ['copy', { a: { x: 1 } }, [{ op: 'copy', from: '/a', path: '/b' }], { a: { x: 1 }, b: { x: 1 } }],
];
for (const [name, target, patch, expected] of jsonCases) {
  test(`a JSON patch can ${name}`, () => assert.deepEqual(jsonPatch(target, patch), expected));
}

test('a JSON patch that cannot be applied is refused with 422', () => {
  for (const one of [
    { op: 'remove', path: '/nope' },
    { op: 'test', path: '/a', value: 2 },
    { op: 'add', path: '/a/b', value: 1 },
  ]) {
    assert.throws(() => jsonPatch({ a: 1 }, [one]), { name: 'StatusError', code: 422 });
  }
});

test('a JSON patch that copies itself larger and larger is stopped', () => {
  const patch = [{ op: 'add', path: '/a', value: ['x'.repeat(1000)] }];
  const copies = Array.from({ length: 40 }, () => ({ op: 'copy', from: '/a', path: '/a/-' }));
  assert.throws(() => jsonPatch({}, [...patch, ...copies]), { name: 'StatusError', code: 413 });
});

const containers = [
  { name: 'a', image: 'a:1', env: [{ name: 'X', value: '1' }] },
  { name: 'b', image: 'b:1' },
];
const strategicCases: [string, object, object, object][] = [
  [
    'merges containers by name',
    { containers },
    { containers: [{ name: 'b', image: 'b:2' }] },
    { containers: [containers[0], { name: 'b', image: 'b:2' }] },
  ],
  [
    'adds what is new',
    { containers: [containers[1]] },
    { containers: [{ name: 'c', image: 'c' }] },
    { containers: [containers[1], { name: 'c', image: 'c' }] },
  ],
  [
    'deletes by directive',
    { containers },
    { containers: [{ name: 'a', $patch: 'delete' }] },
    { containers: [containers[1]] },
  ],
  [
    'replaces a list by directive',
    { containers },
    { containers: [{ $patch: 'replace' }, { name: 'z', image: 'z' }] },
    { containers: [{ name: 'z', image: 'z' }] },
  ],
  [
    'replaces a list that has no merge key',
    { tolerations: [{ key: 'a' }] },
    { tolerations: [{ key: 'b' }] },
    { tolerations: [{ key: 'b' }] },
  ],
  [
    'puts items into the order that was asked for',
    { containers },
    {
      $setElementOrder: undefined,
      '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }],
      containers: [{ name: 'a', image: 'a:2' }],
    },
    { containers: [containers[1], { ...containers[0], image: 'a:2' }] },
  ],
  [
    'keeps only the keys of $retainKeys',
    { volumes: [{ name: 'v', emptyDir: {} }] },
    { volumes: [{ name: 'v', hostPath: { path: '/x' }, $retainKeys: ['name', 'hostPath'] }] },
    { volumes: [{ name: 'v', hostPath: { path: '/x' } }] },
  ],
  [
    'replaces an object by directive',
    { securityContext: { runAsUser: 1, runAsGroup: 2 } },
    { securityContext: { $patch: 'replace', runAsUser: 3 } },
    { securityContext: { runAsUser: 3 } },
  ],
];
for (const [name, target, patch, expected] of strategicCases) {
  test(`a strategic patch ${name}`, () => assert.deepEqual(strategic(target, patch), expected));
}

test('a strategic patch merges and deletes plain values of finalizers', () => {
  const target = { metadata: { finalizers: ['a', 'b'] } };
  const patch = { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'], finalizers: ['c'] } };
  assert.deepEqual(strategicPatch(schema, 'core/v1.Pod', target, patch), { metadata: { finalizers: ['b', 'c'] } });
});

test('an item without its merge key is refused', () => {
  assert.throws(() => strategic({ containers }, { containers: [{ image: 'x' }] }), { name: 'StatusError', code: 400 });
});
