// What the health endpoints say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../../../kube/types.ts';
import { type FamilyHealth, healthAnswer, isEligible, serviceAnswer } from '../../../../proxy/health/rules.ts';

const at = (lastUpdatedMs?: number, waitingSinceMs?: number): ReadonlyMap<4 | 6, FamilyHealth> =>
  new Map([[4, { lastUpdatedMs, waitingSinceMs }]]);

test('idle, never synced and lately written are healthy; a change that waits long is not', () => {
  assert.equal(healthAnswer(at(), 100_000, 60_000, true).code, 200);
  assert.equal(healthAnswer(at(1), 100_000, 60_000, true).code, 200);
  assert.equal(healthAnswer(at(1, 50_000), 100_000, 60_000, true).code, 200);
  assert.deepEqual(healthAnswer(at(1000, 40_000), 100_000, 60_000, true), {
    code: 503,
    body: {
      lastUpdated: '1970-01-01T00:00:01.000Z',
      currentTime: '1970-01-01T00:01:40.000Z',
      nodeEligible: true,
      healthy: false,
      status: { IPv4: { lastUpdated: '1970-01-01T00:00:01.000Z', healthy: false } },
    },
  });
});

test('a node that leaves is healthy, but not for load balancers', () => {
  const answer = healthAnswer(at(1), 2, 60_000, false);
  assert.equal(answer.code, 503);
  assert.equal(answer.body['healthy'], true);
  assert.equal(healthAnswer(at(1), 2, 60_000, undefined).code, 200);
});

test('who leaves: no Node, one being deleted, one that the autoscaler marked', () => {
  const node = (more: Partial<Node>): Node => ({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, ...more });
  assert.equal(isEligible(undefined), false);
  assert.equal(isEligible(node({})), true);
  assert.equal(isEligible(node({ metadata: { name: 'n', deletionTimestamp: '2026-01-01T00:00:00Z' } })), false);
  assert.equal(
    isEligible(node({ spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoExecute' }] } })),
    false,
  );
});

test('a Service is served here when it has endpoints here and we work', () => {
  assert.equal(serviceAnswer('a/b', 2, true).code, 200);
  assert.equal(serviceAnswer('a/b', 0, true).code, 503);
  assert.deepEqual(serviceAnswer('a/b', 2, false), {
    code: 503,
    body: { service: { namespace: 'a', name: 'b' }, localEndpoints: 2, serviceProxyHealthy: false },
  });
});
