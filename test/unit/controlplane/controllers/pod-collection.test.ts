// When a pod's node is missed, how long, and that the server itself is asked before anything is removed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podCollectionController } from '../../../../controlplane/controllers/pod-collection.ts';
import { nodes } from '../../../../kube/resources.ts';
import { aNode, aPod, viewOf } from '../../../builders/control-plane.ts';
import { createFakeApi } from '../../../fakes/api-client.ts';

const { signal } = new AbortController();
const pod = aPod('p', { spec: { nodeName: 'a' } });

test('a node that is missed for 40 s is asked for at the server, and only then is the pod an orphan', async () => {
  const { look } = podCollectionController();
  const client = createFakeApi();
  const at = (nowMs: number) => look('default/p', viewOf(pod), { client, nowMs, signal });
  assert.deepEqual(await at(1_000), { missingSinceMs: 1_000, confirmed: false });
  assert.deepEqual(await at(30_000), { missingSinceMs: 1_000, confirmed: false });
  assert.deepEqual(client.requests, []);
  assert.deepEqual(await at(41_000), { missingSinceMs: 1_000, confirmed: true });
  client.put(nodes, aNode('a'));
  assert.deepEqual(await at(42_000), { missingSinceMs: 1_000, confirmed: false });
});

test('a node that comes back begins anew', async () => {
  const { look } = podCollectionController();
  const client = createFakeApi();
  await look('default/p', viewOf(pod), { client, nowMs: 1_000, signal });
  const back = await look('default/p', viewOf(pod, aNode('a')), { client, nowMs: 2_000, signal });
  assert.deepEqual(back, { missingSinceMs: undefined, confirmed: false });
  const again = await look('default/p', viewOf(pod), { client, nowMs: 50_000, signal });
  assert.deepEqual(again, { missingSinceMs: 50_000, confirmed: false });
});
