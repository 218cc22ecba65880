// Which mirrors are made, and which go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planMirrors } from '../../../../../agent/sources/rules/mirrors.ts';
import type { Node } from '../../../../../kube/types.ts';
import { pod } from '../../../../builders/pod.ts';

const node: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', uid: 'node-uid' } };
const fixed = pod({}, { annotations: { 'kubernetes.io/config.hash': 'h1' } });
const mirror = (hash: string, over = {}) =>
  pod({}, { uid: 'mirror', annotations: { 'kubernetes.io/config.mirror': hash }, ...over });
const plan = (facts: Partial<Parameters<typeof planMirrors>[0]>) =>
  planMirrors({ statics: [fixed], inApi: [], node, areAllKnown: true, ...facts }).map(
    (action) => `${action.do}: ${action.because}`,
  );

test('a mirror belongs to its node and carries the hash', () => {
  const [action] = planMirrors({ statics: [fixed], inApi: [], node, areAllKnown: true });
  assert.deepEqual(action?.pod.metadata, {
    name: 'web',
    namespace: 'default',
    annotations: { 'kubernetes.io/config.hash': 'h1', 'kubernetes.io/config.mirror': 'h1' },
    ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'node-uid', controller: true }],
  });
});

for (const [name, facts, steps] of [
  ['nothing to do', { inApi: [mirror('h1')] }, []],
  ['the node is not known', { node: undefined }, []],
  ['another pod has the name', { inApi: [pod()] }, []],
  ['the manifest has changed', { inApi: [mirror('h0')] }, ['DeleteMirror: the static pod has become another']],
  [
    'somebody deletes it',
    { inApi: [mirror('h1', { deletionTimestamp: '2026-01-01T00:00:00Z' })] },
    ['DeleteMirror: somebody deletes it; the static pod stays'],
  ],
  [
    'the static pod is gone',
    { statics: [], inApi: [mirror('h1')] },
    ['DeleteMirror: there is no such static pod any more'],
  ],
  ['a source has not spoken', { statics: [], inApi: [mirror('h1')], areAllKnown: false }, []],
] as const) {
  test(`mirrors: ${name}`, () => assert.deepEqual(plan(facts), steps));
}
