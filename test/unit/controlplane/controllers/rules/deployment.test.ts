// What Deployments do next: sizes of their sets as tables, whole plans where a plan is more than sizes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planDeployment } from '../../../../../controlplane/controllers/rules/deployment/plan.ts';
import { sortSets } from '../../../../../controlplane/controllers/rules/deployment/sets.ts';
import {
  rollingSizes,
  scaledSizes,
  wasScaled,
} from '../../../../../controlplane/controllers/rules/deployment/sizes.ts';
import type { Action } from '../../../../../controlplane/model.ts';
import type { Deployment, Pod, ReplicaSet } from '../../../../../kube/types.ts';
import { aDeployment, aPodOf, aSet } from '../../../../builders/workloads.ts';

const nowMs = Date.parse('2026-01-01T00:10:00Z');
const plan = (
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  podsOf: (uid: string) => readonly Pod[] = () => [],
) => planDeployment({ deployment, sets, podsOf, mayAdopt: false }, nowMs);

/** A plan as short lines. */
const brief = (actions: readonly Action[]): string[] => actions.map(line);

function line(action: Action): string {
  switch (action.do) {
    case 'Create':
      return `create ${action.of.kind} with ${(action.object as { spec?: { replicas?: number } }).spec?.replicas}`;
    case 'Patch':
      return `patch ${action.at.name} to ${(action.patch.body as { spec?: { replicas?: number } }).spec?.replicas}`;
    case 'Update':
      return `status of ${action.object.metadata.name}`;
    case 'Event':
      return action.message;
    case 'Delete':
      return `delete ${action.at.name}`;
    case 'DeleteAll':
      return 'delete all';
  }
}

const rollouts: readonly {
  readonly says: string;
  readonly old: ReplicaSet;
  readonly current: ReplicaSet;
  readonly sizes: Record<string, number>;
}[] = [
  {
    says: 'up to the surge first',
    old: aSet('a', 4),
    current: aSet('b', 0, { image: 'web:2' }),
    sizes: { 'uid-b': 1 },
  },
  {
    says: 'then down to the minimum',
    old: aSet('a', 4),
    current: aSet('b', 1, { image: 'web:2', available: 0 }),
    sizes: { 'uid-a': 3 },
  },
  {
    says: 'nothing more until new ones are available',
    old: aSet('a', 3),
    current: aSet('b', 2, { image: 'web:2', available: 0 }),
    sizes: {},
  },
  {
    says: 'unavailable old pods go first',
    old: aSet('a', 4, { available: 1 }),
    current: aSet('b', 1, { image: 'web:2', available: 1 }),
    sizes: { 'uid-a': 2 },
  },
  {
    says: 'the last old one goes',
    old: aSet('a', 1),
    current: aSet('b', 4, { image: 'web:2' }),
    sizes: { 'uid-a': 0 },
  },
];

for (const { says, old, current, sizes } of rollouts) {
  test(`a rollout of four with a quarter more and a quarter less: ${says}`, () => {
    const deployment = aDeployment({ image: 'web:2' });
    assert.deepEqual(Object.fromEntries(rollingSizes(deployment, sortSets(deployment, [old, current]))), sizes);
  });
}

test('a rollout never goes below the minimum, never above the maximum, and comes to its end', () => {
  const limits = fc.record({ replicas: fc.integer({ min: 1, max: 12 }), surge: fc.nat(4), unavailable: fc.nat(4) });
  fc.assert(
    fc.property(limits, ({ replicas, surge, unavailable }) => {
      const rollingUpdate = { maxSurge: surge, maxUnavailable: unavailable };
      const spec = { strategy: { type: 'RollingUpdate', rollingUpdate } } as const;
      const deployment = aDeployment({ replicas, image: 'web:2', spec });
      let sets = [aSet('a', replicas), aSet('b', 0, { image: 'web:2' })];
      const least = replicas - Math.min(replicas, unavailable || (surge === 0 ? 1 : 0));
      for (let turn = 0; turn < 50; turn++) {
        const sizes = rollingSizes(deployment, sortSets(deployment, sets));
        // New pods become available, old ones stay so.
        sets = sets.map((one) => {
          const size = sizes.get(one.metadata.uid) ?? one.spec.replicas ?? 0;
          return aSet(one.metadata.name, size, { image: one.metadata.name === 'a' ? 'web:1' : 'web:2' });
        });
        const total = sets.reduce((sum, one) => sum + (one.spec.replicas ?? 0), 0);
        assert.ok(total >= least && total <= replicas + surge, `${total} of ${least} to ${replicas + surge}`);
      }
      assert.deepEqual(
        sets.map(({ spec }) => spec.replicas),
        [0, replicas],
      );
    }),
    { numRuns: 60 },
  );
});

test('a scaling in the middle of a rollout is shared by size, and what rounding leaves goes to the largest', () => {
  const deployment = aDeployment({ replicas: 10, image: 'web:2' });
  const sets = sortSets(deployment, [aSet('a', 3), aSet('b', 2, { image: 'web:2', available: 1 })]);
  assert.equal(wasScaled(deployment, sets), true);
  assert.deepEqual(Object.fromEntries(scaledSizes(deployment, sets)), { 'uid-a': 8, 'uid-b': 5 });
});

test('the first turn makes the set of the template with its revision, and says so', () => {
  const { actions } = plan(aDeployment(), []);
  const [create, event, status] = actions;
  assert.deepEqual(brief(actions).slice(0, 1), ['create ReplicaSet with 4']);
  assert.ok(create?.do === 'Create');
  const { name = '', annotations, labels } = create.object.metadata;
  assert.match(name, /^web-[bcdfghjklmnpqrstvwxz2456789]{10}$/);
  assert.deepEqual(labels, { app: 'web', 'pod-template-hash': name.slice(4) });
  assert.deepEqual(annotations, {
    'deployment.kubernetes.io/revision': '1',
    'deployment.kubernetes.io/desired-replicas': '4',
    'deployment.kubernetes.io/max-replicas': '5',
  });
  assert.equal(event?.do === 'Event' && event.message, `Scaled up replica set ${name} from 0 to 4`);
  assert.ok(status?.do === 'Update');
  const { conditions } = (status.object as Deployment).status ?? {};
  assert.deepEqual(
    conditions?.map(({ type, status: truth, reason }) => `${type}=${truth} ${reason}`),
    ['Progressing=True NewReplicaSetCreated', 'Available=False MinimumReplicasUnavailable'],
  );
});

test('a template that was current before takes its set again, with a new revision and a memory of the old one', () => {
  const sets = [aSet('a', 0, { revision: 1 }), aSet('b', 4, { image: 'web:2', revision: 2 })];
  const [renew] = plan(aDeployment(), sets).actions;
  assert.ok(renew?.do === 'Patch');
  const { metadata } = renew.patch.body as { metadata: { annotations: Record<string, string> } };
  assert.equal(metadata.annotations['deployment.kubernetes.io/revision'], '3');
  assert.equal(metadata.annotations['deployment.kubernetes.io/revision-history'], '1');
});

test('while it is paused a new template makes no set, but a new number still counts', () => {
  const paused = aDeployment({ replicas: 6, image: 'web:3', spec: { paused: true } });
  const lines = brief(plan(paused, [aSet('a', 4)]).actions);
  assert.deepEqual(lines, ['patch a to 6', 'Scaled up replica set a from 4 to 6', 'status of web']);
});

test('one that recreates waits for the last old pod before the first new one', () => {
  const deployment = aDeployment({ image: 'web:2', spec: { strategy: { type: 'Recreate' } } });
  assert.deepEqual(brief(plan(deployment, [aSet('a', 4)]).actions).slice(0, 2), [
    'patch a to 0',
    'Scaled down replica set a from 4 to 0',
  ]);
  const gone = aSet('a', 0);
  const still = plan(deployment, [gone], () => [aPodOf('ReplicaSet', 'a', 'p')]);
  assert.deepEqual(brief(still.actions), ['status of web']);
  assert.equal(brief(plan(deployment, [gone]).actions)[0], 'create ReplicaSet with 4');
});

test('a rollout that stands still past its deadline is called stuck', () => {
  const conditions = [
    {
      type: 'Progressing',
      status: 'True' as const,
      reason: 'ReplicaSetUpdated',
      lastUpdateTime: '2025-12-31T23:59:00Z',
      lastTransitionTime: '2025-12-31T23:59:00Z',
    },
  ];
  const counts = { replicas: 5, updatedReplicas: 2, readyReplicas: 3, availableReplicas: 3 };
  const deployment = aDeployment({ image: 'web:2', status: { ...counts, conditions } });
  const { actions } = plan(deployment, [aSet('a', 3), aSet('b', 2, { image: 'web:2', available: 0, revision: 2 })]);
  const status = actions.find((one) => one.do === 'Update');
  assert.ok(status?.do === 'Update');
  const said = (status.object as Deployment).status?.conditions?.find(({ type }) => type === 'Progressing');
  assert.deepEqual(
    [said?.status, said?.reason, said?.message],
    ['False', 'ProgressDeadlineExceeded', 'ReplicaSet "b" has timed out progressing.'],
  );
});

test('empty old sets beyond the limit are forgotten, oldest revision first, when all is through', () => {
  const old = ['a', 'b', 'c'].map((name, at) => aSet(name, 0, { image: `web:${at}`, revision: at + 1 }));
  const deployment = aDeployment({ image: 'web:9', spec: { revisionHistoryLimit: 1 } });
  const lines = brief(plan(deployment, [...old, aSet('d', 4, { image: 'web:9', revision: 4 })]).actions);
  assert.deepEqual(lines.slice(0, 2), ['delete a', 'delete b']);
});

test("somebody else's set under the name that ours would have makes another name", () => {
  const [create] = plan(aDeployment(), []).actions;
  assert.ok(create?.do === 'Create');
  const taken = aSet(create.object.metadata.name ?? '', 1, { image: 'other:1', owner: null });
  const { actions } = plan(aDeployment(), [taken]);
  const [status] = actions;
  assert.equal(status?.do === 'Update' && (status.object as Deployment).status?.collisionCount, 1);
});
