// The crash loop's pace.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backOffAfter, backOffText } from '../../../../../agent/pod/rules/restart.ts';
import { exited } from '../../../../builders/pod.ts';

test('the first restart is at once, then 10 s doubling to 5 minutes', () => {
  const delays: number[] = [];
  let backOffSeconds = 0;
  for (let restart = 0; restart < 8; restart += 1) {
    const { delaySeconds, nextSeconds } = backOffAfter(exited('main', 1, { backOffSeconds }), 300);
    delays.push(delaySeconds);
    backOffSeconds = nextSeconds;
  }
  assert.deepEqual(delays, [0, 10, 20, 40, 80, 160, 300, 300]);
});

test('ten minutes of running are forgiven', () => {
  const ended = exited('main', 1, { createdAtMs: 0, finishedAtMs: 600_001, backOffSeconds: 300 });
  assert.deepEqual(backOffAfter(ended, 300), { untilMs: 600_001, delaySeconds: 0, nextSeconds: 10 });
});

test('a shorter longest wait is the first one too', () => {
  assert.deepEqual(backOffAfter(exited('main', 1, { backOffSeconds: 0 }), 4).nextSeconds, 4);
});

test('durations are written as Go writes them', () => {
  assert.deepEqual([10, 60, 80, 300].map(backOffText), ['10s', '1m0s', '1m20s', '5m0s']);
});
