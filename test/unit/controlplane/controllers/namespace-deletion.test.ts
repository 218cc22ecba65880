// How a deleted namespace is emptied: pods first, then the rest, then it is let go; and what its conditions say meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planDeletion, type Remainder } from '../../../../controlplane/controllers/rules/namespace-deletion.ts';
import { configMaps, namespaces, pods, type Resource } from '../../../../kube/resources.ts';
import type { KubeObject, Namespace } from '../../../../kube/types.ts';
import { aNamespace } from '../../../builders/control-plane.ts';

const nowMs = Date.parse('2026-01-01T01:00:00Z');
const going = aNamespace('a', { deletionTimestamp: '2026-01-01T00:59:00Z' });
const left = (of: Resource<KubeObject>, over: Partial<Remainder> = {}): Remainder => ({
  of,
  count: 2,
  finalizers: {},
  leaving: false,
  ...over,
});

const plan = (remainders: Remainder[], namespace: Namespace = going, undiscovered?: string) =>
  planDeletion(namespace, { remainders, undiscovered }, nowMs);

const does = ({ actions, againInMs }: ReturnType<typeof plan>): unknown[] => [
  ...actions.map((one) => (one.do === 'DeleteAll' ? `${one.do} ${one.of.plural}` : one.do)),
  againInMs,
];

test('pods go first, the rest waits until they are gone', () => {
  assert.deepEqual(does(plan([left(pods), left(configMaps)])), ['DeleteAll pods', 'Patch', 500]);
  assert.deepEqual(does(plan([left(pods, { leaving: true }), left(configMaps)])), ['Patch', 500]);
  assert.deepEqual(does(plan([left(configMaps)])), ['DeleteAll configmaps', 'Patch', 500]);
});

test('what is held back by finalizers is not deleted again and again', () => {
  assert.deepEqual(does(plan([left(configMaps, { leaving: true, finalizers: { 'x/y': 2 } })])), ['Patch', 5000]);
});

test('an empty namespace loses its finalizer, others keep theirs', () => {
  const held = { ...going, spec: { finalizers: ['kubernetes', 'other'] } };
  const { actions, againInMs } = plan([left(pods, { count: 0 })], held);
  const { resourceVersion: _, ...metadata } = going.metadata;
  assert.deepEqual(actions.at(-1), {
    do: 'Update',
    of: namespaces,
    object: { ...held, metadata, spec: { finalizers: ['other'] } },
    subresource: 'finalize',
    because: 'nothing is left in it',
  });
  assert.equal(againInMs, undefined);
});

test('nothing is let go while a group hides its content', () => {
  assert.deepEqual(does(plan([], going, 'x/v1: Unreachable')), ['Patch', 5000]);
});

test('the conditions say what remains, in upstream’s words', () => {
  const [patch] = plan([left(pods, { leaving: true, count: 1, finalizers: { 'x/y': 1 } })]).actions;
  assert.ok(patch?.do === 'Patch');
  const { conditions } = (patch.patch.body as { status: NonNullable<Namespace['status']> }).status;
  assert.deepEqual(
    conditions?.map(({ type, status, reason, message }) => [type, status, reason, message]),
    [
      ['NamespaceDeletionDiscoveryFailure', 'False', 'ResourcesDiscovered', 'All resources successfully discovered'],
      [
        'NamespaceDeletionGroupVersionParsingFailure',
        'False',
        'ParsedGroupVersions',
        'All legacy kube types successfully parsed',
      ],
      [
        'NamespaceDeletionContentFailure',
        'False',
        'ContentDeleted',
        'All content successfully deleted, may be waiting on finalization',
      ],
      [
        'NamespaceContentRemaining',
        'True',
        'SomeResourcesRemain',
        'Some resources are remaining: pods. has 1 resource instances',
      ],
      [
        'NamespaceFinalizersRemaining',
        'True',
        'SomeFinalizersRemain',
        'Some content in the namespace has finalizers remaining: x/y in 1 resource instances',
      ],
    ],
  );
  const said = { ...going, status: { phase: 'Terminating' as const, conditions: conditions ?? [] } };
  assert.deepEqual(does(plan([left(pods, { leaving: true, count: 1, finalizers: { 'x/y': 1 } })], said)), [500]);
});
