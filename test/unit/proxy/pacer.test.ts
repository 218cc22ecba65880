// When syncs happen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../../host/clock.ts';
import { createPacer } from '../../../proxy/pacer.ts';

/** Time moves only where somebody sleeps. */
function instantClock(pauses: number[]): Clock {
  let now = 0;
  return {
    now: () => now,
    async sleep(milliseconds) {
      pauses.push(milliseconds);
      now += milliseconds;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('failures are tried again ever more slowly, until one succeeds', async () => {
  const pauses: number[] = [];
  const stop = new AbortController();
  let left = 12;
  const sync = async (): Promise<void> => {
    if (left-- > 0) throw new Error('no');
    stop.abort();
  };
  const pacer = createPacer({ sync, onError: () => {}, clock: instantClock(pauses), minPauseMs: 0 });
  pacer.wake();
  await pacer.run(stop.signal);
  assert.deepEqual(pauses.slice(0, 12), [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000]);
});

test('many changes while a sync runs are one more sync', async () => {
  const stop = new AbortController();
  let syncs = 0;
  const pacer = createPacer({
    sync: async () => {
      syncs++;
      if (syncs === 1) for (let at = 0; at < 10; at++) pacer.wake();
      if (syncs === 2) stop.abort();
    },
    onError: () => {},
    clock: instantClock([]),
    minPauseMs: 0,
  });
  pacer.wake();
  await pacer.run(stop.signal);
  assert.equal(syncs, 2);
});
