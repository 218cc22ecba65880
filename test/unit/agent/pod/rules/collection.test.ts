// Records of ended containers that are too many.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObservedPod } from '../../../../../agent/model.ts';
import { deadBeyondLimits } from '../../../../../agent/pod/rules/collection.ts';
import { observedContainer, observedSandbox } from '../../../../builders/pod.ts';

const ended = (name: string, restartCount: number, sandboxId = 'sandbox-0') =>
  observedContainer(name, { phase: 'exited', restartCount, sandboxId, createdAtMs: restartCount * 1000 });

const pod = (over: Partial<ObservedPod>): ObservedPod => ({
  ...{ uid: 'u', name: 'web', namespace: 'default', sandboxes: [], containers: [] },
  ...over,
});

const found = (pods: readonly ObservedPod[], limits: Partial<Parameters<typeof deadBeyondLimits>[1]> = {}) => {
  const waste = deadBeyondLimits(pods, { perContainer: 1, total: -1, minAgeMs: 0, ...limits }, 60_000);
  return [waste.containers.map(({ container }) => container.id), waste.sandboxes.map(({ id }) => id)];
};

const crashing = pod({
  containers: [observedContainer('main', { restartCount: 4 }), ended('main', 3), ended('main', 2)],
});

const table: readonly [because: string, pods: ObservedPod[], limits: object, want: string[][]][] = [
  ['one dead record of each name is kept', [crashing], {}, [['main-2'], []]],
  ['or as many as were asked for', [crashing], { perContainer: 2 }, [[], []]],
  ['never none: it tells what became of the container', [crashing], { perContainer: 0 }, [['main-2'], []]],
  ['young records stay', [crashing], { minAgeMs: 58_001 }, [[], []]],
  [
    'of too many on the node the oldest go, but for the newest of each name',
    [pod({ containers: [ended('a', 5), ended('a', 1), ended('b', 4), ended('b', 2)] })],
    { perContainer: 2, total: 3 },
    [['a-1'], []],
  ],
  [
    'dead sandboxes go with the last record that refers to them',
    [
      pod({
        sandboxes: [
          observedSandbox({ id: 'new', attempt: 2 }),
          observedSandbox({ id: 'kept', attempt: 1, phase: 'exited' }),
          observedSandbox({ id: 'old', attempt: 0, phase: 'exited' }),
        ],
        containers: [
          observedContainer('main', { restartCount: 2, sandboxId: 'new' }),
          ended('main', 1, 'kept'),
          ended('main', 0, 'old'),
        ],
      }),
    ],
    {},
    [['main-0'], ['old']],
  ],
];
for (const [because, pods, limits, want] of table) test(because, () => assert.deepEqual(found(pods, limits), want));
