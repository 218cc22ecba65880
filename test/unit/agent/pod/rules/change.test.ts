// Which updates of a pod are news.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNews, isRelabelled } from '../../../../../agent/pod/rules/change.ts';
import type { Pod, PodSpec } from '../../../../../kube/types.ts';
import { desiredPod } from '../../../../builders/pod.ts';

const gate: Partial<PodSpec> = { readinessGates: [{ conditionType: 'example.com/open' }] };

type Case = [what: string, spec: Partial<PodSpec>, after: (pod: Pod) => Pod, isNews: boolean];

const cases: Case[] = [
  ['its own status', {}, (pod) => ({ ...pod, status: { phase: 'Running', startTime: '2026-01-01T00:00:00Z' } }), false],
  ['a resource version', {}, (pod) => ({ ...pod, metadata: { ...pod.metadata, resourceVersion: '2' } }), false],
  ['an annotation', {}, (pod) => ({ ...pod, metadata: { ...pod.metadata, annotations: { a: 'b' } } }), true],
  ['a generation', {}, (pod) => ({ ...pod, metadata: { ...pod.metadata, generation: 2 } }), true],
  ['a shorter deadline', {}, (pod) => ({ ...pod, spec: { ...pod.spec, activeDeadlineSeconds: 5 } }), true],
  ['an end that others decided', {}, (pod) => ({ ...pod, status: { phase: 'Failed' } }), true],
  [
    'a start that a deadline counts from',
    { activeDeadlineSeconds: 5 },
    (pod) => ({ ...pod, status: { startTime: '2026-01-01T00:00:00Z' } }),
    true,
  ],
  [
    'a readiness gate',
    gate,
    (pod) => ({ ...pod, status: { conditions: [{ type: 'example.com/open', status: 'True' }] } }),
    true,
  ],
  [
    'a condition that is no gate',
    gate,
    (pod) => ({ ...pod, status: { conditions: [{ type: 'Ready', status: 'True' }] } }),
    false,
  ],
];

for (const [what, spec, after, expected] of cases) {
  test(`an update of ${what} is ${expected ? 'news' : 'an echo'}`, () => {
    const before = desiredPod(spec);
    assert.equal(isNews(before, { ...before, pod: after(before.pod) }), expected);
  });
}

test('labels and annotations are written anew, a new deadline is not', () => {
  const before = desiredPod({}, { labels: { a: '1' } });
  const labelled = { ...before, pod: { ...before.pod, metadata: { ...before.pod.metadata, labels: { a: '2' } } } };
  const annotated = {
    ...before,
    pod: { ...before.pod, metadata: { ...before.pod.metadata, annotations: { a: '2' } } },
  };
  const hurried = { ...before, pod: { ...before.pod, spec: { ...before.pod.spec, activeDeadlineSeconds: 5 } } };
  assert.deepEqual([isRelabelled(before, labelled), isRelabelled(before, annotated)], [true, true]);
  assert.equal(isRelabelled(before, hurried), false);
});
