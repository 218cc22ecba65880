// When a pod is over, and how fast it must go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finishedBecause, sooner, terminationOf } from '../../../../../agent/pod/rules/terminate.ts';
import {
  container,
  desiredPod,
  exited,
  observedContainer,
  observedPod,
  observedSandbox,
} from '../../../../builders/pod.ts';

const deletedAt = { deletionTimestamp: '2026-01-01T00:00:00Z' };

test('a pod that is being deleted goes within what the deletion says, one second at least', () => {
  const of = (deletionGracePeriodSeconds: number) =>
    terminationOf(desiredPod({}, { ...deletedAt, deletionGracePeriodSeconds }), observedPod(), undefined, 0);
  assert.deepEqual(of(5), { graceSeconds: 5, because: 'it is being deleted' });
  assert.deepEqual(of(0), { graceSeconds: 1, because: 'it is being deleted' });
});

test('grace only shrinks, and the first reason stays', () => {
  const first = { graceSeconds: 30, because: 'it is being deleted' };
  assert.deepEqual(sooner(first, { graceSeconds: 5, because: 'later' }), { ...first, graceSeconds: 5 });
  assert.deepEqual(sooner({ ...first, graceSeconds: 5 }, { graceSeconds: 60, because: 'later' }), {
    ...first,
    graceSeconds: 5,
  });
});

test('a pod whose time is over fails with DeadlineExceeded', () => {
  const desired = desiredPod({ activeDeadlineSeconds: 10 });
  const startTime = '1970-01-01T00:00:00Z';
  const started = { ...desired, pod: { ...desired.pod, status: { startTime } } };
  assert.equal(terminationOf(started, observedPod(), undefined, 9_999), undefined);
  assert.equal(terminationOf(started, observedPod(), undefined, 10_000)?.status?.reason, 'DeadlineExceeded');
});

const init = container('init');
for (const [name, spec, containers, because] of [
  ['runs', {}, [observedContainer('main')], undefined],
  ['Always starts again', {}, [exited('main', 0)], undefined],
  ['OnFailure is done with 0', { restartPolicy: 'OnFailure' }, [exited('main', 0)], 'its containers have finished'],
  ['OnFailure goes on with 1', { restartPolicy: 'OnFailure' }, [exited('main', 1)], undefined],
  ['Never is done with 1', { restartPolicy: 'Never' }, [exited('main', 1)], 'its containers have finished'],
  [
    'Never does not get past a failed init container',
    { restartPolicy: 'Never', initContainers: [init] },
    [exited('init', 1)],
    'its init container "init" failed',
  ],
  [
    'a rule on the exit code starts again what the pod would not',
    {
      restartPolicy: 'Never',
      containers: [
        container('main', {
          restartPolicy: 'Never',
          restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
        }),
      ],
    },
    [exited('main', 42)],
    undefined,
  ],
] as const) {
  test(`finished: ${name}`, () => {
    const { pod } = desiredPod(spec as Parameters<typeof desiredPod>[0]);
    assert.equal(finishedBecause(pod, observedPod(containers)), because);
  });
}

test('finished: Never does not get a second sandbox', () => {
  const { pod } = desiredPod({ restartPolicy: 'Never', containers: [container('main'), container('other')] });
  const observed = observedPod([observedContainer('main'), exited('other', 0)], [observedSandbox({ phase: 'exited' })]);
  assert.equal(finishedBecause(pod, observed), 'its sandbox is gone and its restart policy is Never');
});
