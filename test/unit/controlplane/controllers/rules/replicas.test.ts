// How ReplicaSets keep their number: who is made, who goes first, who is taken in and let go, and what the status says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byLoss } from '../../../../../controlplane/controllers/rules/pods-of.ts';
import { planReplicas } from '../../../../../controlplane/controllers/rules/replicas.ts';
import type { Action } from '../../../../../controlplane/model.ts';
import type { Pod, ReplicaSet } from '../../../../../kube/types.ts';
import { viewOf } from '../../../../builders/control-plane.ts';
import { aPodOf, aSet } from '../../../../builders/workloads.ts';

const nowMs = Date.parse('2026-01-01T00:10:00Z');
const none = { refusal: undefined, mayAdopt: false };
const plan = (set: ReplicaSet, pods: readonly Pod[], facts: { refusal?: string; mayAdopt?: boolean } = {}) =>
  planReplicas(set, viewOf(set, ...pods), nowMs, { ...none, ...facts }).actions;
const of = (name: string, over: Parameters<typeof aPodOf>[3] = {}): Pod => aPodOf('ReplicaSet', 's', name, over);
const brief = (actions: readonly Action[]): string[] =>
  actions.map((one) => ('at' in one ? `${one.do} ${one.at.name}` : one.do));

test('missing pods are made of the template, owned by the set', () => {
  const [create] = plan(aSet('s', 1, { available: 0 }), []).filter((one) => one.do === 'Create');
  assert.ok(create?.do === 'Create');
  assert.deepEqual(create.object, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'default',
      generateName: 's-',
      labels: { app: 'web', 'pod-template-hash': 's' },
      ownerReferences: [
        {
          ...{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 's', uid: 'uid-s' },
          ...{ controller: true, blockOwnerDeletion: true },
        },
      ],
    },
    spec: { containers: [{ name: 'web', image: 'web:1' }] },
  });
  assert.equal(create.because, '1 pods are wanted, 0 are there');
});

test('with as many as are wanted nothing is done', () => {
  assert.deepEqual(plan(aSet('s', 2), [of('a'), of('b')]), []);
});

test('pods that ended or are being deleted do not count', () => {
  const leaving = of('c', { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } });
  const lines = brief(plan(aSet('s', 2), [of('a'), of('b', { phase: 'Failed' }), leaving]));
  assert.deepEqual(lines, ['Update', 'Create']);
});

const losses: readonly [says: string, first: Pod, second: Pod][] = [
  ['without a node before those with one', of('a'), of('b', { spec: { nodeName: 'n' } })],
  ['pending before running', of('a', { phase: 'Pending' }), of('b')],
  ['not ready before ready', of('a', { ready: false }), of('b')],
  [
    'cheap before dear',
    of('a'),
    of('b', { metadata: { annotations: { 'controller.kubernetes.io/pod-deletion-cost': '10' } } }),
  ],
  [
    'young before old',
    of('a', { metadata: { creationTimestamp: '2026-01-01T00:09:59Z' } }),
    of('b', { metadata: { creationTimestamp: '2026-01-01T00:00:00Z' } }),
  ],
];
for (const [says, first, second] of losses) {
  test(`pods go ${says}`, () => {
    const order = [second, first].sort(byLoss(() => 0, nowMs)).map(({ metadata }) => metadata.name);
    assert.deepEqual(order, ['a', 'b']);
  });
}

test('a stray that is selected is taken in only when the server says that the owner lives', () => {
  const stray = of('a', { metadata: { ownerReferences: [] } });
  assert.deepEqual(brief(plan(aSet('s', 1), [stray], { mayAdopt: true })), ['Patch a']);
  assert.deepEqual(brief(plan(aSet('s', 1), [stray])), ['Update', 'Create']);
});

test('a pod that is selected no more is let go and replaced', () => {
  const relabelled = of('a', { metadata: { labels: { app: 'other' } } });
  assert.deepEqual(brief(plan(aSet('s', 1), [relabelled])), ['Patch a', 'Update', 'Create']);
});

test('a refusal stands in the conditions until the number is there', () => {
  const [update] = plan(aSet('s', 1), [], { refusal: 'quota is used up' });
  assert.ok(update?.do === 'Update');
  assert.deepEqual((update.object as ReplicaSet).status?.conditions, [
    {
      ...{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'quota is used up' },
      lastTransitionTime: '2026-01-01T00:10:00Z',
    },
  ]);
});

test('with a time to be ready, a pod is available only after it', () => {
  const set = aSet('s', 1);
  const slow: ReplicaSet = { ...set, spec: { ...set.spec, minReadySeconds: 600 } };
  const { actions, againInMs } = planReplicas(slow, viewOf(slow, of('a')), nowMs, none);
  assert.equal(againInMs, 10_000);
  assert.equal(actions[0]?.do === 'Update' && (actions[0].object as ReplicaSet).status?.availableReplicas, undefined);
});
