// When a pod wants its next turn.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodAction } from '../../../../../agent/model.ts';
import { nextTurn } from '../../../../../agent/pod/rules/turn.ts';
import { container, desiredPod, observedSandbox } from '../../../../builders/pod.ts';

const nowMs = 1_000_000;
const volumes: PodAction = { do: 'EnsureVolumes', because: 'a container is about to start' };
const start: PodAction = {
  do: 'StartContainer',
  wish: { kind: 'app', container: container('main') },
  sandbox: observedSandbox(),
  restartCount: 0,
  backOffSeconds: 0,
  because: 'it has never run',
};
const quiet = { done: 0, unstarted: 0, resizeError: undefined, failure: undefined, retryAtMs: undefined };
const after = (actions: PodAction[], outcome: { done?: number; unstarted?: number; retryAtMs?: number }) =>
  nextTurn(desiredPod(), actions, { ...quiet, ...outcome }, nowMs).againAtMs;

test('while steps succeed the next turn is at once', () => {
  assert.equal(after([volumes, start], { done: 2 }), nowMs);
});

test('a container that cannot start is tried again after a pause, whatever else was done', () => {
  assert.equal(after([volumes, start], { done: 1, unstarted: 1 }), nowMs + 10_000);
  assert.equal(after([volumes, start, start], { done: 2, unstarted: 1 }), nowMs + 10_000);
});

test('a known time of retry comes first where it is sooner', () => {
  assert.equal(after([volumes, start], { done: 1, unstarted: 1, retryAtMs: nowMs + 3_000 }), nowMs + 3_000);
});

test('nothing to do waits for the resync', () => {
  assert.equal(after([], {}), undefined);
});
