// Graceful shutdown: groups by priority, what is said of them, and the machine that waits until they are gone.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Termination } from '../../../../agent/model.ts';
import { parsePrepareForShutdown, shutdownGroups } from '../../../../agent/node/rules/shutdown.ts';
import { createShutdown, type Inhibitor } from '../../../../agent/node/shutdown.ts';
import { silentLog } from '../../../../host/log.ts';
import { pod } from '../../../builders/pod.ts';
import { createFakeClock } from '../../../fakes/clock.ts';

const steps = [
  { priority: 2_000_000_000, graceSeconds: 10 },
  { priority: 0, graceSeconds: 20 },
];
const plain = pod({}, { name: 'plain', uid: 'plain' });
const below = pod({ priority: -5 }, { name: 'below', uid: 'below' });
const system = pod({ priority: 2_000_001_000, terminationGracePeriodSeconds: 5 }, { name: 'system', uid: 'system' });

describe('shutdown', () => {
  test('groups pods by priority, the least important first', () => {
    assert.deepEqual(shutdownGroups([system, plain, below], steps), [
      { graceSeconds: 20, pods: [plain, below] },
      { graceSeconds: 10, pods: [system] },
    ]);
    assert.deepEqual(shutdownGroups([system], steps), [{ graceSeconds: 10, pods: [system] }]);
  });

  const lines: readonly [string, boolean | undefined][] = [
    ['{"type":"signal","member":"PrepareForShutdown","payload":{"type":"b","data":[true]}}', true],
    ['{"type":"signal","member":"PrepareForShutdown","payload":{"type":"b","data":[false]}}', false],
    ['{"type":"signal","member":"PrepareForSleep","payload":{"type":"b","data":[true]}}', undefined],
    ['Monitoring bus message stream.', undefined],
    ['null', undefined],
  ];
  for (const [line, want] of lines)
    test(`the bus says ${line}`, () => assert.equal(parsePrepareForShutdown(line), want));

  test('makes the machine wait until each group is gone or its time is over', async () => {
    const clock = createFakeClock();
    const told: string[] = [];
    const ended: [string, Termination][] = [];
    const gone = new Set<string>();
    const held: string[] = [];
    const announced = Promise.withResolvers<void>();
    const inhibitor: Inhibitor = {
      isThere: async () => true,
      delay: async (seconds) => {
        held.push(`delay ${seconds}`);
        return () => held.push('released');
      },
      watch: async function* () {
        await announced.promise;
        yield true;
        await new Promise(() => {});
      },
    };
    const watch = createShutdown({
      ...{ steps, clock, inhibitor, log: silentLog, nodeName: 'n' },
      pods: () => [system, plain],
      terminate: (uid, termination) => ended.push([uid, termination]),
      isGone: (uid) => gone.has(uid),
      onChange: () => told.push('changed'),
      events: { pod: () => {}, node: ({ reason }) => told.push(reason) },
    });
    void watch.run(new AbortController().signal);
    await clock.advance(0);
    assert.deepEqual([watch.notReady(), watch.refuses(), held], [undefined, undefined, ['delay 30']]);
    announced.resolve();
    await clock.advance(1000);
    const message = 'Pod was terminated in response to imminent node shutdown.';
    const because = 'the node is shutting down';
    const status = { reason: 'Terminated', message, disruption: message };
    assert.equal(watch.notReady(), 'node is shutting down');
    assert.deepEqual(watch.refuses(), {
      reason: 'NodeShutdown',
      message: 'Pod was rejected as the node is shutting down.',
    });
    assert.deepEqual(told, ['changed', 'Shutdown']);
    assert.deepEqual(ended.splice(0), [['plain', { graceSeconds: 20, because, status }]]);
    gone.add('plain');
    await clock.advance(1000);
    assert.deepEqual(ended, [['system', { graceSeconds: 5, because, status }]]);
    assert.deepEqual(held, ['delay 30']);
    await clock.advance(10_000);
    assert.deepEqual(held, ['delay 30', 'released']);
  });
});
