// What goes out and what is allowed: ages, deletions, evictions, permissions, node restrictions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Review } from '../../../../../controlplane/apiserver/admission/admission.ts';
import { nodeRefusal } from '../../../../../controlplane/apiserver/admission/node-restriction.ts';
import { policy } from '../../../../../controlplane/apiserver/auth/policy.ts';
import { mayDo } from '../../../../../controlplane/apiserver/auth/rules.ts';
import { storedKinds } from '../../../../../controlplane/apiserver/kinds/catalog.ts';
import type { Kind } from '../../../../../controlplane/apiserver/kinds/kind.ts';
import { loadSchema } from '../../../../../controlplane/apiserver/load.ts';
import type { ApiObject, Attributes } from '../../../../../controlplane/apiserver/model.ts';
import { deletionStep } from '../../../../../controlplane/apiserver/rules/deletion.ts';
import { evictionVerdict } from '../../../../../controlplane/apiserver/rules/eviction.ts';
import { shortDuration } from '../../../../../controlplane/apiserver/rules/table.ts';

const kinds = storedKinds(loadSchema());
const kindOf = (name: string): Kind => kinds.find(({ kind }) => kind === name) ?? assert.fail(name);
const object = (kind: string, metadata: object, rest: object = {}): ApiObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name: 'web', ...metadata },
  ...rest,
});

test('ages read as kubectl prints them', () => {
  const cases = {
    1: '1s',
    119: '119s',
    120: '2m',
    200: '3m20s',
    600: '10m',
    10800: '3h',
    12000: '3h20m',
    172800: '2d',
    180000: '2d2h',
    864000: '10d',
    63072000: '2y',
  };
  for (const [seconds, expected] of Object.entries(cases))
    assert.equal(shortDuration(Number(seconds) * 1000), expected);
});

const nowMs = Date.parse('2026-01-01T00:00:00Z');
const bound = { spec: { nodeName: 'n1', terminationGracePeriodSeconds: 30 }, status: { phase: 'Running' } };
const going = { deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 };
const deletions: [string, ApiObject, object, object][] = [
  [
    'a pod on a node is marked',
    object('Pod', {}, bound),
    {},
    { do: 'Mark', deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 },
  ],
  ['a pod without a node is removed', object('Pod', {}, { spec: {} }), {}, { do: 'Remove' }],
  ['a pod is removed at once when asked', object('Pod', {}, bound), { gracePeriodSeconds: 0 }, { do: 'Remove' }],
  ['a second deletion changes nothing', object('Pod', going, bound), {}, { do: 'Nothing', ...going }],
  [
    'a second deletion may shorten the time',
    object('Pod', going, bound),
    { gracePeriodSeconds: 5 },
    { do: 'Mark', deletionTimestamp: '2026-01-01T00:00:05Z', deletionGracePeriodSeconds: 5 },
  ],
  [
    'what a finalizer holds is marked',
    object('ConfigMap', { finalizers: ['a/b'] }),
    {},
    { do: 'Mark', deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 },
  ],
  ['a finished pod is removed', object('Pod', {}, { ...bound, status: { phase: 'Succeeded' } }), {}, { do: 'Remove' }],
];
for (const [name, one, options, expected] of deletions) {
  test(name, () => {
    const step = deletionStep(kindOf(one.kind), one, options, nowMs);
    const { deletionTimestamp, deletionGracePeriodSeconds } = step.object.metadata;
    const marked = step.do === 'Remove' ? {} : { deletionTimestamp, deletionGracePeriodSeconds };
    assert.deepEqual({ do: step.do, ...marked }, expected);
  });
}

test('a namespace that holds its finalizer is shown as terminating', () => {
  const namespace = object('Namespace', {}, { spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } });
  const step = deletionStep(kindOf('Namespace'), namespace, {}, nowMs);
  assert.deepEqual([step.do, step.object['status']], ['Mark', { phase: 'Terminating' }]);
});

const budget = (allowed: number) =>
  object(
    'PodDisruptionBudget',
    { name: 'pdb' },
    {
      spec: { selector: { matchLabels: { app: 'web' } } },
      status: { disruptionsAllowed: allowed, desiredHealthy: 1, currentHealthy: 1 },
    },
  );
test('an eviction asks the budget that selects the pod', () => {
  const pod = object('Pod', { labels: { app: 'web' } }, bound);
  assert.deepEqual(evictionVerdict(pod, []), { do: 'Allow' });
  assert.deepEqual(evictionVerdict(pod, [budget(1)]), { do: 'Spend', budget: 'pdb' });
  assert.deepEqual(evictionVerdict(pod, [budget(0)]), {
    do: 'Refuse',
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    causes: [
      { reason: 'DisruptionBudget', message: 'The disruption budget pdb needs 1 healthy pods and has 1 currently' },
    ],
  });
});

const asked = (verb: string, resource: string, group = ''): Attributes => ({
  verb,
  group,
  version: 'v1',
  resource,
  subresource: '',
  namespace: 'default',
  name: '',
});
test('who may do what', () => {
  const admin = { name: 'a', groups: ['system:masters'] };
  const node = { name: 'system:node:n', groups: ['system:nodes'] };
  const account = {
    name: 'system:serviceaccount:default:default',
    groups: ['system:serviceaccounts', 'system:authenticated'],
  };
  assert.ok(mayDo(policy, admin, asked('delete', 'anything', 'any.group')));
  assert.ok(mayDo(policy, node, asked('list', 'services')));
  assert.ok(!mayDo(policy, node, asked('delete', 'nodes')));
  assert.ok(!mayDo(policy, node, asked('create', 'secrets')));
  assert.ok(!mayDo(policy, account, asked('list', 'pods')));
  assert.ok(mayDo(policy, account, { ...asked('get', ''), path: '/apis/apps/v1' }));
  assert.ok(!mayDo(policy, account, { ...asked('get', ''), path: '/metrics' }));
});

const review = (kind: string, one: ApiObject, more: Partial<Review> = {}): Review => ({
  ...{
    kind: kindOf(kind),
    namespace: '',
    name: 'web',
    subresource: '',
    user: { name: 'system:node:n1', groups: ['system:nodes'] },
  },
  ...{
    dryRun: false,
    fieldManager: '',
    fieldValidation: 'Warn' as const,
    warnings: [],
    operation: 'CREATE' as const,
    object: one,
    old: undefined,
    ...more,
  },
});
const mirror = { annotations: { 'kubernetes.io/config.mirror': 'hash' } };
const restrictions: [string, Review, string | undefined][] = [
  ['itself', review('Node', object('Node', { name: 'n1' })), undefined],
  ['another node', review('Node', object('Node', { name: 'n2' })), 'node "n1" is not allowed to modify node "n2"'],
  ['a mirror pod', review('Pod', object('Pod', mirror, bound)), undefined],
  [
    'a mirror pod of another node',
    review('Pod', object('Pod', mirror, { spec: { nodeName: 'n2' } })),
    'node "n1" can only create pods with spec.nodeName set to itself',
  ],
  [
    'a mirror pod with a secret',
    review('Pod', object('Pod', mirror, { spec: { nodeName: 'n1', volumes: [{ name: 'a', secret: {} }] } })),
    'node "n1" can not create pods that reference secrets, configmaps or claims',
  ],
];
for (const [name, one, expected] of restrictions) {
  test(`a node that creates ${name} ${expected ? 'is refused' : 'may'}`, () =>
    assert.equal(nodeRefusal('n1', one), expected));
}
