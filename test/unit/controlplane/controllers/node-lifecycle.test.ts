// What is done about nodes that fall silent, are unwell, or come back; and about the pods on them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeLifecycleController } from '../../../../controlplane/controllers/node-lifecycle.ts';
import { planNode, upstreamLimits, wantedTaints } from '../../../../controlplane/controllers/rules/node-lifecycle.ts';
import { planPodCollection } from '../../../../controlplane/controllers/rules/pod-collection.ts';
import { planTaintEviction } from '../../../../controlplane/controllers/rules/taint-eviction.ts';
import { nodes, pods } from '../../../../kube/resources.ts';
import type { Node, Taint, Toleration } from '../../../../kube/types.ts';
import { aNode, aPod, viewOf } from '../../../builders/control-plane.ts';

const nowMs = Date.parse('2026-01-01T01:00:00Z');
const now = '2026-01-01T01:00:00Z';
const plan = (node: Node, lastSeenMs: number, ...on: ReturnType<typeof aPod>[]) =>
  planNode(node, on, nowMs, lastSeenMs, upstreamLimits);

test('a node that was heard of lately is left alone and looked at again when its grace ends', () => {
  assert.deepEqual(plan(aNode('a'), nowMs - 20_000, aPod('p')), { actions: [], againInMs: 30_000 });
});

test('a node that is silent for 50 s is unknown in every respect', () => {
  const node = aNode('a');
  const unknown = (type: string) => ({
    type,
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
    lastHeartbeatTime: '2026-01-01T00:00:00Z',
    lastTransitionTime: now,
  });
  const conditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'].map(unknown);
  assert.deepEqual(plan(node, nowMs - 50_000), {
    actions: [
      {
        do: 'Patch',
        of: nodes,
        at: { name: 'a' },
        patch: { type: 'strategic', subresource: 'status', body: { status: { conditions } } },
        because: 'the node fell silent',
      },
      {
        do: 'Event',
        about: node,
        type: 'Normal',
        reason: 'NodeNotReady',
        message: 'Node a status is now: NodeNotReady',
      },
    ],
  });
});

test('a node that never spoke has 60 s', () => {
  const mute = aNode('a', { ready: 'absent' });
  assert.deepEqual(plan(mute, nowMs - 59_000), { actions: [], againInMs: 1_000 });
  const [patch] = plan(mute, nowMs - 60_000).actions;
  assert.ok(patch?.do === 'Patch');
  const body = patch.patch.body as { status: { conditions: { reason: string }[] } };
  assert.deepEqual(
    body.status.conditions.map(({ reason }) => reason),
    Array(4).fill('NodeStatusNeverUpdated'),
  );
});

test('pods of a silent node are not ready: services must not send anybody there', () => {
  const spec = {
    taints: [
      { key: 'node.kubernetes.io/unreachable', effect: 'NoSchedule' as const },
      { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' as const, timeAdded: now },
    ],
  };
  const silent = aNode('a', { ready: 'Unknown', spec });
  for (const condition of silent.status?.conditions ?? []) condition.status = 'Unknown';
  const ready = aPod('p');
  assert.deepEqual(plan(silent, nowMs - 90_000, ready, aPod('q', { ready: false })), {
    actions: [
      {
        do: 'Patch',
        of: pods,
        at: { namespace: 'default', name: 'p' },
        patch: {
          type: 'strategic',
          subresource: 'status',
          body: {
            metadata: { uid: 'uid-p' },
            status: { conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: now }] },
          },
        },
        because: 'its node fell silent',
      },
      { do: 'Event', about: ready, type: 'Warning', reason: 'NodeNotReady', message: 'Node is not ready' },
    ],
  });
});

const taint = (key: string, effect: Taint['effect']): Taint => ({ key: `node.kubernetes.io/${key}`, effect });
const timed = (key: string): Taint => ({ ...taint(key, 'NoExecute'), timeAdded: now });
const own: Taint = { key: 'gpu', value: 'yes', effect: 'NoSchedule' };
const taints: [string, Node, Taint[]][] = [
  ['ready', aNode('a'), []],
  ['ready with its owner’s taint', aNode('a', { spec: { taints: [own] } }), [own]],
  [
    'not ready',
    aNode('a', { ready: 'False', spec: { taints: [own] } }),
    [own, taint('not-ready', 'NoSchedule'), timed('not-ready')],
  ],
  ['unreachable', aNode('a', { ready: 'Unknown' }), [taint('unreachable', 'NoSchedule'), timed('unreachable')]],
  [
    'back again',
    aNode('a', { spec: { taints: [taint('unreachable', 'NoSchedule'), timed('unreachable'), own] } }),
    [own],
  ],
  ['cordoned', aNode('a', { spec: { unschedulable: true } }), [taint('unschedulable', 'NoSchedule')]],
  [
    'new and mute',
    aNode('a', { ready: 'absent', spec: { taints: [taint('not-ready', 'NoSchedule')] } }),
    [taint('not-ready', 'NoSchedule')],
  ],
];
for (const [what, node, wanted] of taints) {
  test(`taints of a node that is ${what}`, () => assert.deepEqual(wantedTaints(node, nowMs), wanted));
}

test('taints are replaced only over the list that was looked at', () => {
  assert.deepEqual(plan(aNode('a', { spec: { unschedulable: true } }), nowMs).actions, [
    {
      do: 'Patch',
      of: nodes,
      at: { name: 'a' },
      patch: {
        type: 'merge',
        body: { metadata: { resourceVersion: '9' }, spec: { taints: [taint('unschedulable', 'NoSchedule')] } },
      },
      because: 'its taints do not match its conditions',
    },
  ]);
});

test('a renewed lease is a sign of life, by our own clock', () => {
  const { look } = nodeLifecycleController();
  const parts = (ms: number) => ({ nowMs: ms }) as Parameters<typeof look>[2];
  const lease = (renewTime: string) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'a', namespace: 'kube-node-lease' },
    spec: { renewTime },
  });
  assert.equal(look('a', viewOf(aNode('a'), lease('1999-01-01T00:00:00Z')), parts(1000)), 1000);
  assert.equal(look('a', viewOf(aNode('a'), lease('1999-01-01T00:00:00Z')), parts(9000)), 1000);
  assert.equal(look('a', viewOf(aNode('a'), lease('1999-01-01T00:00:10Z')), parts(9500)), 9500);
});

const unreachable = taint('unreachable', 'NoExecute');
const tolerate = (tolerationSeconds?: number): Toleration => ({
  key: unreachable.key,
  operator: 'Exists',
  effect: 'NoExecute',
  ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
});
const evictions: [string, Toleration[], number | undefined, 'goes' | number | 'stays'][] = [
  ['without a toleration', [], nowMs, 'goes'],
  ['that bears it for 300 s, after 100 s', [tolerate(300)], nowMs - 100_000, 200_000],
  ['that bears it for 300 s, after 300 s', [tolerate(300)], nowMs - 300_000, 'goes'],
  ['that bears it for ever', [tolerate()], nowMs - 900_000, 'stays'],
  ['that bears something else', [{ ...tolerate(), key: 'gpu' }], nowMs, 'goes'],
  ['that bears everything', [{ operator: 'Exists' }], nowMs, 'stays'],
  ['whose node has no such taint', [], undefined, 'stays'],
];
for (const [what, tolerations, since, outcome] of evictions) {
  test(`a pod ${what}: ${outcome}`, () => {
    const pod = aPod('p', { spec: { nodeName: 'a', tolerations } });
    const planned = planTaintEviction(pod, aNode('a', { spec: { taints: [unreachable] } }), since, nowMs);
    if (outcome === 'stays') return assert.deepEqual(planned, { actions: [] });
    if (outcome !== 'goes') return assert.deepEqual(planned, { actions: [], againInMs: outcome });
    assert.deepEqual(planned.actions, [
      {
        do: 'Event',
        about: pod,
        type: 'Normal',
        reason: 'TaintManagerEviction',
        message: 'Marking for deletion Pod default/p',
      },
      {
        do: 'Patch',
        of: pods,
        at: { namespace: 'default', name: 'p' },
        patch: {
          type: 'strategic',
          subresource: 'status',
          body: {
            metadata: { uid: 'uid-p' },
            status: {
              conditions: [
                {
                  type: 'DisruptionTarget',
                  status: 'True',
                  reason: 'DeletionByTaintManager',
                  message: 'Taint manager: deleting due to NoExecute taint',
                  lastTransitionTime: now,
                },
              ],
            },
          },
        },
        because: 'Taint manager: deleting due to NoExecute taint',
      },
      {
        do: 'Delete',
        of: pods,
        at: { namespace: 'default', name: 'p' },
        options: { preconditions: { uid: 'uid-p' } },
        because: 'it does not tolerate a NoExecute taint of its node',
      },
    ]);
  });
}

const here = { missingSinceMs: undefined, confirmed: false };
test('pods of a vanished node wait 40 s for it, then fail and are removed', () => {
  const pod = aPod('p', { spec: { nodeName: 'gone' } });
  const missed = { missingSinceMs: nowMs - 10_000, confirmed: false };
  assert.deepEqual(planPodCollection(pod, missed, nowMs), { actions: [], againInMs: 30_000 });
  const sure = planPodCollection(pod, { missingSinceMs: nowMs - 40_000, confirmed: true }, nowMs).actions;
  assert.deepEqual(
    sure.map((one) => (one.do === 'Event' ? '' : `${one.do}: ${one.because}`)),
    ['Patch: PodGC: node no longer exists', 'Delete: its node no longer exists'],
  );
  assert.deepEqual(sure[1]?.do === 'Delete' && sure[1].options, {
    gracePeriodSeconds: 0,
    preconditions: { uid: 'uid-p' },
  });
});

test('a pod that was deleted before it had a node is removed at once, any other is left alone', () => {
  const deleted = aPod('p', { metadata: { deletionTimestamp: now } });
  assert.deepEqual(
    planPodCollection(deleted, here, nowMs).actions.map((one) => one.do === 'Delete' && one.because),
    ['it was deleted before it had a node'],
  );
  assert.deepEqual(planPodCollection(aPod('p'), here, nowMs), { actions: [] });
});
