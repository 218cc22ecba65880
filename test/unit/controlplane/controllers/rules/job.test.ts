// What Jobs do next, and that each end of a pod is counted once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIndexes, parseIndexes } from '../../../../../controlplane/controllers/rules/job/indexes.ts';
import { planJob } from '../../../../../controlplane/controllers/rules/job/plan.ts';
import { trackingFinalizer } from '../../../../../controlplane/controllers/rules/job/pods.ts';
import type { Action } from '../../../../../controlplane/model.ts';
import type { Job, Pod } from '../../../../../kube/types.ts';
import { aJob, aPodOf } from '../../../../builders/workloads.ts';

const nowMs = Date.parse('2026-01-01T00:10:00Z');
const plan = (job: Job, pods: readonly Pod[] = []) => planJob({ job, pods, mayAdopt: false }, nowMs);

function podOf(
  name: string,
  phase: string,
  over: { tracked?: boolean; index?: number; finishedAt?: string } = {},
): Pod {
  const { tracked = true, index, finishedAt } = over;
  const pod = aPodOf('Job', 'sum', name, {
    phase,
    metadata: {
      labels: { app: 'web' },
      ...(tracked ? { finalizers: [trackingFinalizer] } : {}),
      ...(index === undefined ? {} : { annotations: { 'batch.kubernetes.io/job-completion-index': String(index) } }),
    },
  });
  if (!finishedAt) return pod;
  const state = { terminated: { exitCode: 1, finishedAt } };
  const status = { name: 'c', image: '', imageID: '', ready: false, restartCount: 0, state };
  return { ...pod, status: { ...pod.status, containerStatuses: [status] } };
}

function statusIn(actions: readonly Action[]): NonNullable<Job['status']> {
  const update = actions.find((one) => one.do === 'Update');
  assert.ok(update?.do === 'Update');
  return (update.object as Job).status ?? {};
}
const dos = (actions: readonly Action[]): string[] => actions.map((one) => one.do);

const texts: readonly [text: string, indexes: number[]][] = [
  ['', []],
  ['3', [3]],
  ['0,1', [0, 1]],
  ['0-2,5,7-9', [0, 1, 2, 5, 7, 8, 9]],
];
for (const [text, indexes] of texts) {
  test(`the indexes ${JSON.stringify(indexes)} are written "${text}"`, () => {
    assert.equal(formatIndexes(indexes), text);
    assert.deepEqual([...parseIndexes(text)], indexes);
  });
}

test('a new Job starts as many pods as may run at once', () => {
  const { actions } = plan(aJob({ completions: 5, parallelism: 2 }));
  assert.deepEqual(dos(actions), ['Update', 'Create', 'Create']);
  assert.equal(statusIn(actions).startTime, '2026-01-01T00:10:00Z');
});

test('an end is noted, then the pod is let go, then it is counted', () => {
  const done = podOf('a', 'Succeeded');
  const noted = statusIn(plan(aJob({ completions: 2 }), [done]).actions);
  assert.deepEqual([noted.succeeded, noted.uncountedTerminatedPods], [undefined, { succeeded: ['uid-a'] }]);
  const second = plan(aJob({ completions: 2 }, noted), [done]).actions;
  assert.deepEqual(second[0], {
    do: 'Patch',
    of: second[0]?.do === 'Patch' ? second[0].of : undefined,
    at: { namespace: 'default', name: 'a' },
    patch: { type: 'merge', body: { metadata: { uid: 'uid-a', resourceVersion: '5', finalizers: [] } } },
    because: 'its end has been counted',
  });
  const counted = statusIn(
    plan(aJob({ completions: 2 }, noted), [podOf('a', 'Succeeded', { tracked: false })]).actions,
  );
  assert.deepEqual([counted.succeeded, counted.uncountedTerminatedPods], [1, {}]);
  // The same when somebody has removed the pod in between.
  assert.equal(statusIn(plan(aJob({ completions: 2 }, noted), []).actions).succeeded, 1);
});

test('when enough have succeeded, first the verdict is said, then the end', () => {
  const done = podOf('a', 'Succeeded', { tracked: false });
  const job = aJob({}, { succeeded: 1, startTime: '2026-01-01T00:00:00Z' });
  const { actions } = plan(job, [done]);
  const { conditions, completionTime } = statusIn(actions);
  assert.deepEqual(
    conditions?.map(({ type, reason }) => `${type} ${reason}`),
    ['SuccessCriteriaMet CompletionsReached', 'Complete CompletionsReached'],
  );
  assert.equal(completionTime, '2026-01-01T00:10:00Z');
  const early = plan(job, [done, podOf('b', 'Running')]).actions;
  assert.deepEqual(dos(early), ['Update', 'Delete']);
  assert.deepEqual(
    statusIn(early).conditions?.map(({ type }) => type),
    ['SuccessCriteriaMet'],
  );
});

test('too many failures end a Job, and so does its deadline', () => {
  const { conditions } = statusIn(plan(aJob({ backoffLimit: 1 }, { failed: 2 })).actions);
  assert.deepEqual(
    conditions?.map(({ type, reason }) => `${type} ${reason}`),
    ['FailureTarget BackoffLimitExceeded', 'Failed BackoffLimitExceeded'],
  );
  const late = aJob({ activeDeadlineSeconds: 60 }, { startTime: '2026-01-01T00:00:00Z' });
  const { actions } = plan(late, [podOf('a', 'Running')]);
  assert.deepEqual(
    statusIn(actions).conditions?.map(({ reason, message }) => `${reason}: ${message}`),
    ['DeadlineExceeded: Job was active longer than specified deadline'],
  );
});

test('after a failure the next pod waits, twice as long each time', () => {
  const ends = ['2026-01-01T00:09:55Z', '2026-01-01T00:09:58Z'];
  const failed = ends.map((finishedAt, at) => podOf(`p${at}`, 'Failed', { tracked: false, finishedAt }));
  const status = { failed: 1, startTime: '2026-01-01T00:00:00Z' };
  assert.equal(plan(aJob({}, status), failed.slice(0, 1)).againInMs, 5_000);
  assert.equal(plan(aJob({}, { ...status, failed: 2 }), failed).againInMs, 18_000);
});

test('an indexed Job fills the lowest indexes that are neither done nor under way', () => {
  const spec = { completionMode: 'Indexed', completions: 6, parallelism: 3 } as const;
  const job = aJob(spec, { completedIndexes: '0,2', succeeded: 2, startTime: '2026-01-01T00:00:00Z' });
  const { actions } = plan(job, [podOf('a', 'Running', { index: 1 })]);
  const made = actions.flatMap((one) => (one.do === 'Create' ? [one.object.metadata.generateName] : []));
  assert.deepEqual(made, ['sum-3-', 'sum-4-']);
});

test('a suspended Job has no pods and no start', () => {
  const job = aJob({ suspend: true }, { startTime: '2026-01-01T00:00:00Z', active: 1 });
  const { actions } = plan(job, [podOf('a', 'Running')]);
  assert.deepEqual(dos(actions), ['Update', 'Event', 'Delete']);
  assert.equal(statusIn(actions).startTime, undefined);
});

test('an ended Job lets its pods go and lives as long as it said', () => {
  const end = { type: 'Complete', status: 'True' as const, lastTransitionTime: '2026-01-01T00:09:00Z' };
  const ended = (ttlSecondsAfterFinished: number) => aJob({ ttlSecondsAfterFinished }, { conditions: [end] });
  assert.deepEqual(plan(ended(100)), { actions: [], againInMs: 40_000 });
  assert.deepEqual(dos(plan(ended(60), [podOf('a', 'Succeeded')]).actions), ['Patch', 'Delete']);
});
