// When the files of running pods are looked at again, and how long anybody waits for a volume.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withDeadline } from '../../../../agent/volumes/deadline.ts';
import { keepFresh, type RefreshedPod } from '../../../../agent/volumes/refresher.ts';
import { createTurns } from '../../../../agent/volumes/turns.ts';
import { pod } from '../../../builders/pod.ts';
import { createFakeClock } from '../../../fakes/clock.ts';
import { createFakePodObjects } from '../../../fakes/pod-objects.ts';

test('a change refreshes the pods that use the object, at once; the rest come after a minute', async () => {
  const clock = createFakeClock(0);
  const objects = createFakePodObjects();
  const ended = new AbortController();
  const refreshed: string[] = [];
  const pods = new Map<string, RefreshedPod>([
    ['uses', { pod: pod({ volumes: [{ name: 'v', configMap: { name: 'm' } }] }), refreshedAtMs: 0 }],
    ['other', { pod: pod({ volumes: [{ name: 'v', secret: { secretName: 'm' } }] }), refreshedAtMs: 0 }],
    [
      'away',
      { pod: pod({ volumes: [{ name: 'v', configMap: { name: 'm' } }] }, { namespace: 'far' }), refreshedAtMs: 0 },
    ],
  ]);
  const refresh = async (uid: string): Promise<void> => {
    refreshed.push(uid);
    const known = pods.get(uid);
    if (known) pods.set(uid, { ...known, refreshedAtMs: clock.now() });
  };
  const running = keepFresh({ objects, clock, pods: () => pods, refresh }, ended.signal);
  objects.putConfigMap('m', {});
  await clock.advance(0);
  assert.deepEqual(refreshed.splice(0), ['uses']);
  await clock.advance(59_000);
  assert.deepEqual(refreshed.splice(0), []);
  await clock.advance(16_000);
  assert.deepEqual(refreshed.splice(0).toSorted(), ['away', 'other', 'uses']);
  ended.abort();
  await running;
  assert.equal(clock.sleepers(), 0);
});

test('a wait ends with the work, at its deadline, or with its signal', async () => {
  const clock = createFakeClock();
  const never = new Promise<string>(() => {});
  const limit = { clock, milliseconds: 100, late: () => new Error('too late') };
  const { signal } = new AbortController();
  assert.equal(await withDeadline(Promise.resolve('done'), limit, signal), 'done');
  assert.equal(clock.sleepers(), 0);
  const late = assert.rejects(withDeadline(never, limit, signal), /too late/);
  await clock.advance(100);
  await late;
  const ended = new AbortController();
  const stopped = assert.rejects(withDeadline(never, limit, ended.signal), /enough/);
  ended.abort(new Error('enough'));
  await stopped;
});

test('turns of one key follow each other, a failed one too; other keys do not wait', async () => {
  const turns = createTurns();
  const first = Promise.withResolvers<void>();
  const order: string[] = [];
  const failing = turns.take('a', async () => {
    await first.promise;
    order.push('a1');
    throw new Error('failed');
  });
  const second = turns.take('a', async () => order.push('a2'));
  await turns.take('b', async () => order.push('b'));
  first.resolve();
  await assert.rejects(failing, /failed/);
  await second;
  assert.deepEqual(order, ['b', 'a1', 'a2']);
});
