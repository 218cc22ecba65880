// What becomes of objects when their owners go: one table for all ways of deleting.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Node, type OwnerState, planGarbage } from '../../../../../controlplane/controllers/rules/garbage.ts';
import { pods, replicaSets } from '../../../../../kube/resources.ts';
import type { KubeObject, OwnerReference } from '../../../../../kube/types.ts';

const reference = (uid: string, blocks = true): OwnerReference => ({
  ...{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: uid, uid },
  blockOwnerDeletion: blocks,
});
const gone = '2026-01-01T00:00:00Z';

function node(metadata: Partial<KubeObject['metadata']>, of: Node['of'] = pods): Node {
  const own = { name: 'p', namespace: 'default', uid: 'u', resourceVersion: '5' };
  return { of, object: { apiVersion: 'v1', kind: of.kind, metadata: { ...own, ...metadata } } };
}

const plan = (one: Node, states: Record<string, OwnerState> = {}, dependents: readonly Node[] = []) =>
  planGarbage({ node: one, dependents, owner: ({ uid }) => states[uid] ?? 'unknown' }).actions;

const at = { name: 'p', namespace: 'default' };
const preconditions = { uid: 'u', resourceVersion: '5' };
const deletion = (propagationPolicy: string, because: string) => ({
  do: 'Delete',
  of: pods,
  at,
  options: { propagationPolicy, preconditions },
  because,
});
const change = (metadata: object, because: string, name = 'p', uid = 'u') => ({
  do: 'Patch',
  of: pods,
  at: { ...at, name },
  patch: { type: 'merge', body: { metadata: { uid, resourceVersion: '5', ...metadata } } },
  because,
});

const owned = node({ ownerReferences: [reference('a'), reference('b')] });
const child = node({ name: 'c', uid: 'c', ownerReferences: [reference('u')] });

test('it stays while its owners are there, and loses the references to those that are gone', () => {
  assert.deepEqual(plan(owned, { a: 'there', b: 'there' }), []);
  assert.deepEqual(plan(owned, { a: 'there', b: 'gone' }), [
    change({ ownerReferences: [reference('a')] }, 'some of its owners are gone'),
  ]);
});

test('it goes when all its owners are gone, and never on a guess', () => {
  assert.deepEqual(plan(owned, { a: 'gone', b: 'gone' }), [deletion('Background', 'all its owners are gone')]);
  assert.deepEqual(plan(owned, { a: 'gone', b: 'unknown' }), []);
  assert.deepEqual(plan(node({})), []);
});

test('it goes, and waits for what it owns itself, when its owner waits', () => {
  assert.deepEqual(plan(owned, { a: 'waiting', b: 'gone' }, [child]), [
    deletion('Foreground', 'its owner waits for it'),
  ]);
  assert.deepEqual(plan(owned, { a: 'waiting', b: 'gone' }), [deletion('Background', 'all its owners are gone')]);
});

test('an owner that waits may go when nothing that blocks it is left', () => {
  const waiting = node({ deletionTimestamp: gone, finalizers: ['foregroundDeletion', 'x.io/y'] });
  assert.deepEqual(plan(waiting, {}, [child]), []);
  const free = [change({ finalizers: ['x.io/y'] }, 'all that it owned is gone')];
  assert.deepEqual(plan(waiting), free);
  assert.deepEqual(plan(waiting, {}, [node({ uid: 'c', ownerReferences: [reference('u', false)] })]), free);
});

test('an owner that leaves its dependents behind frees them first', () => {
  const leaving = node({ deletionTimestamp: gone, finalizers: ['orphan'] });
  assert.deepEqual(plan(leaving, {}, [child]), [
    change({ ownerReferences: null }, 'its owner is deleted and leaves it behind', 'c', 'c'),
    change({ finalizers: [] }, 'what it owned is free'),
  ]);
});

test('two that wait for each other are set free', () => {
  const waitingChild = node({ ...child.object.metadata, deletionTimestamp: gone, finalizers: ['foregroundDeletion'] });
  const [first] = plan(node({ ownerReferences: [reference('a')] }, replicaSets), { a: 'waiting' }, [waitingChild]);
  assert.equal(first?.do === 'Patch' && first.because, 'it waits for a dependent that waits itself');
});
