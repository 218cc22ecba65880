// Keys wait once, are never worked on twice at a time, and come back slower after each failure.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWorkQueue } from '../../../controlplane/queue.ts';
import type { Clock } from '../../../host/clock.ts';

/** A clock that is moved by hand. */
function handClock(): Clock & { move(milliseconds: number): Promise<void> } {
  let nowMs = 0;
  const sleepers = new Set<{ dueMs: number; resolve: () => void }>();
  return {
    now: () => nowMs,
    sleep: (milliseconds, signal) =>
      new Promise<void>((resolve, reject) => {
        const sleeper = { dueMs: nowMs + milliseconds, resolve };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          reject(signal.reason);
        });
      }),
    move: async (milliseconds) => {
      nowMs += milliseconds;
      for (const sleeper of [...sleepers].filter(({ dueMs }) => dueMs <= nowMs)) {
        sleepers.delete(sleeper);
        sleeper.resolve();
      }
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

function queueAt(rank?: (key: string) => number) {
  const clock = handClock();
  const { signal } = new AbortController();
  return { clock, signal, queue: createWorkQueue({ clock, signal, ...(rank ? { rank } : {}) }) };
}

test('a key that is added twice is worked on once, in the order of coming', async () => {
  const { queue, signal } = queueAt();
  for (const key of ['a', 'b', 'a']) queue.add(key);
  assert.equal(queue.length(), 2);
  assert.deepEqual([await queue.take(signal), await queue.take(signal)], ['a', 'b']);
});

test('a key that is added while it is worked on comes again only after it is done', async () => {
  const { queue, signal } = queueAt();
  queue.add('a');
  await queue.take(signal);
  queue.add('a');
  assert.equal(queue.length(), 0);
  queue.done('a');
  assert.equal(await queue.take(signal), 'a');
});

test('a higher rank goes first', async () => {
  const { queue, signal } = queueAt((key) => (key === 'urgent' ? 10 : 0));
  for (const key of ['a', 'urgent', 'b']) queue.add(key);
  assert.deepEqual(
    [await queue.take(signal), await queue.take(signal), await queue.take(signal)],
    ['urgent', 'a', 'b'],
  );
});

test('each failure doubles the pause, success forgets it', async () => {
  const { clock, queue } = queueAt();
  queue.retry('a');
  await clock.move(19);
  assert.equal(queue.length(), 0);
  await clock.move(1);
  assert.equal(queue.length(), 1);
  queue.retry('b');
  await clock.move(20);
  queue.retry('b');
  queue.succeeded('b');
  queue.retry('c');
  await clock.move(20);
  assert.equal(queue.length(), 3);
});

test('the earlier of two wishes for the same key holds', async () => {
  const { clock, queue } = queueAt();
  queue.addAfter('a', 1000);
  queue.addAfter('a', 100);
  queue.addAfter('a', 500);
  await clock.move(100);
  assert.equal(queue.length(), 1);
});

test('every one of several takers gets its key', async () => {
  const { queue, signal } = queueAt();
  const taken = [queue.take(signal), queue.take(signal), queue.take(signal)];
  await new Promise((resolve) => setImmediate(resolve));
  for (const key of ['a', 'b', 'c']) queue.add(key);
  assert.deepEqual((await Promise.all(taken)).sort(), ['a', 'b', 'c']);
});

test('a taker goes home when its signal ends', async () => {
  const { queue } = queueAt();
  const stop = new AbortController();
  const taken = queue.take(stop.signal);
  stop.abort();
  assert.equal(await taken, undefined);
});
