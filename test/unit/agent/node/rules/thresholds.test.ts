// Thresholds: what is asked for, what is met, and from when on something has to be done.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Signal } from '../../../../../agent/node/rules/pressure.ts';
import {
  dueThreshold,
  type MetThreshold,
  metThresholds,
  type Threshold,
  thresholdsOf,
} from '../../../../../agent/node/rules/thresholds.ts';

const none = { hard: {}, soft: {}, softGraceMs: {}, minimumReclaim: {} };
const mebi = 1024 * 1024;
const of = (available: number, capacity = 1000): Signal => ({ available, capacity });

describe('settings', () => {
  test('memory comes first, and a hard memory threshold holds for all pods together too', () => {
    const hard = { 'nodefs.available': '10%', 'memory.available': '100Mi' };
    assert.deepEqual(thresholdsOf({ ...none, hard, minimumReclaim: { 'nodefs.available': '5%' } }), [
      { signal: 'memory.available', amount: '100Mi', graceMs: 0, reclaim: undefined },
      { signal: 'allocatableMemory.available', amount: '100Mi', graceMs: 0, reclaim: undefined },
      { signal: 'nodefs.available', amount: '10%', graceMs: 0, reclaim: '5%' },
    ]);
  });

  test('0% and 100% switch a signal off; those of the layers alone follow the images', () => {
    const hard = { 'memory.available': '0%', 'nodefs.available': '100%', 'containerfs.available': '5%' };
    assert.deepEqual(thresholdsOf({ ...none, hard }), []);
  });

  test('a soft threshold needs its grace period', () => {
    const soft = { 'memory.available': '200Mi' };
    assert.deepEqual(thresholdsOf({ ...none, soft, softGraceMs: { 'memory.available': 90_000 } }), [
      { signal: 'memory.available', amount: '200Mi', graceMs: 90_000, reclaim: undefined },
    ]);
    assert.throws(() => thresholdsOf({ ...none, soft }), {
      name: 'RangeError',
      message: 'grace period must be specified for the soft eviction threshold memory.available',
    });
  });

  test('a signal that nobody knows is refused by name', () => {
    assert.throws(
      () => thresholdsOf({ ...none, hard: { 'memory.free': '1Gi' } }),
      /Cannot watch eviction signal "memory.free"/,
    );
  });
});

describe('thresholds met', () => {
  const disk: Threshold = { signal: 'nodefs.available', amount: '10%', graceMs: 0, reclaim: '5%' };
  const soft: Threshold = { signal: 'memory.available', amount: '200Mi', graceMs: 60_000, reclaim: undefined };

  const table: readonly [name: string, available: number, isMetBefore: boolean, isMet: boolean][] = [
    ['above it: no', 100, false, false],
    ['below it: yes', 99, false, true],
    ['met before and not yet reclaimed enough: still', 149, true, true],
    ['met before and reclaimed enough: no longer', 150, true, false],
  ];
  for (const [name, available, isMetBefore, isMet] of table) {
    test(name, () => {
      const before: MetThreshold[] = isMetBefore ? [{ threshold: disk, signal: of(0), sinceMs: 5 }] : [];
      const now = metThresholds([disk], { 'nodefs.available': of(available) }, before, 9);
      assert.deepEqual(now, isMet ? [{ threshold: disk, signal: of(available), sinceMs: isMetBefore ? 5 : 9 }] : []);
    });
  }

  test('a signal that the machine does not give meets nothing', () => {
    assert.deepEqual(metThresholds([disk], {}, [], 9), []);
  });

  test('a soft one is due after its grace, a hard one at once', () => {
    const low = { 'memory.available': of(199 * mebi, 1024 * mebi), 'nodefs.available': of(1) };
    const first = metThresholds([soft], low, [], 1000);
    assert.equal(dueThreshold(first, 60_999), undefined);
    assert.equal(dueThreshold(metThresholds([soft], low, first, 61_000), 61_000)?.threshold, soft);
    assert.equal(dueThreshold(metThresholds([soft, disk], low, first, 2000), 2000)?.threshold, disk);
  });
});
