// The loops that make what every cluster and namespace holds, and that give nodes their blocks: whole plans for given views.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultNamespacesController } from '../../../../controlplane/controllers/rules/default-namespaces.ts';
import {
  rootCaController,
  serviceAccountController,
} from '../../../../controlplane/controllers/rules/namespace-content.ts';
import { chooseBlocks, nodeCidrController } from '../../../../controlplane/controllers/rules/node-cidr.ts';
import { type Cidr, parseCidr } from '../../../../host/cidr.ts';
import { configMaps, namespaces, nodes, serviceAccounts } from '../../../../kube/resources.ts';
import { aNamespace, aNode, viewOf } from '../../../builders/control-plane.ts';

const cidr = (text: string): Cidr => parseCidr(text) ?? assert.fail(text);

test('a namespace that every cluster has is made where it is missing', () => {
  assert.deepEqual(defaultNamespacesController.reconcile('kube-system', viewOf(aNamespace('default')), 0, undefined), {
    actions: [
      {
        do: 'Create',
        of: namespaces,
        object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-system' } },
        because: 'every cluster has this namespace',
      },
    ],
  });
  assert.deepEqual(defaultNamespacesController.reconcile('default', viewOf(aNamespace('default')), 0, undefined), {
    actions: [],
  });
});

test('a namespace gets its default service account, but not while it goes', () => {
  const leaving = aNamespace('gone', { deletionTimestamp: '2026-01-01T00:00:00Z' });
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'full' } };
  const view = viewOf(aNamespace('empty'), aNamespace('full'), leaving, account);
  const plan = (key: string) => serviceAccountController.reconcile(key, view, 0, undefined).actions;
  assert.deepEqual(plan('empty'), [
    {
      do: 'Create',
      of: serviceAccounts,
      object: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'empty' } },
      because: 'every namespace has a default service account',
    },
  ]);
  assert.deepEqual(plan('full'), []);
  assert.deepEqual(plan('gone'), []);
  assert.deepEqual(plan('unknown'), []);
});

test('a namespace gets the CA, and a wrong one is put right', () => {
  const controller = rootCaController('PEM');
  const [create] = controller.reconcile('a', viewOf(aNamespace('a')), 0, undefined).actions;
  assert.equal(create?.do, 'Create');
  const metadata = { name: 'kube-root-ca.crt', namespace: 'a', resourceVersion: '8', uid: 'u' };
  const wrong = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'ca.crt': 'OLD' } };
  const [update] = controller.reconcile('a', viewOf(aNamespace('a'), wrong), 0, undefined).actions;
  assert.equal(update?.do === 'Update' && update.of, configMaps);
  assert.deepEqual(update?.do === 'Update' && (update.object as typeof wrong).data, { 'ca.crt': 'PEM' });
  assert.equal(update?.do === 'Update' && update.object.metadata.resourceVersion, '8');
  const right = { ...wrong, data: { 'ca.crt': 'PEM' } };
  assert.deepEqual(controller.reconcile('a', viewOf(aNamespace('a'), right), 0, undefined), { actions: [] });
});

test('a node gets the first free block', () => {
  const controller = nodeCidrController([{ cidr: cidr('10.244.0.0/16'), nodePrefix: 24 }]);
  const taken = aNode('a', { spec: { podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24'] } });
  assert.deepEqual(controller.reconcile('b', viewOf(taken, aNode('b')), 0, undefined), {
    actions: [
      {
        do: 'Patch',
        of: nodes,
        at: { name: 'b' },
        patch: { type: 'strategic', body: { spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] } } },
        because: 'the node has no pod addresses',
      },
    ],
  });
  assert.deepEqual(controller.reconcile('a', viewOf(taken), 0, undefined), { actions: [] });
});

test('a node for which no block is left is told so', () => {
  const controller = nodeCidrController([{ cidr: cidr('10.244.0.0/24'), nodePrefix: 24 }]);
  const waiting = aNode('b');
  assert.deepEqual(
    controller.reconcile('b', viewOf(aNode('a', { spec: { podCIDR: '10.244.0.0/24' } }), waiting), 0, undefined),
    {
      actions: [
        {
          do: 'Event',
          about: waiting,
          type: 'Normal',
          reason: 'CIDRNotAvailable',
          message: 'Node b status is now: CIDRNotAvailable',
        },
      ],
      againInMs: 60_000,
    },
  );
});

const blocks: [string, string[], string[], string[] | undefined][] = [
  ['the first where none is used', ['10.0.0.0/22'], [], ['10.0.0.0/24']],
  ['the gap', ['10.0.0.0/22'], ['10.0.0.0/24', '10.0.2.0/24'], ['10.0.1.0/24']],
  ['beyond a block of another size', ['10.0.0.0/22'], ['10.0.0.0/25', '10.0.1.128/25'], ['10.0.2.0/24']],
  ['whatever lies elsewhere', ['10.0.0.0/22'], ['10.9.0.0/24'], ['10.0.0.0/24']],
  ['nothing when all is inside a greater one', ['10.0.0.0/22'], ['10.0.0.0/16'], undefined],
  [
    'one of each family',
    ['10.0.0.0/22', 'fd00::/62'],
    ['10.0.0.0/24', 'fd00::/64'],
    ['10.0.1.0/24', 'fd00:0:0:1::/64'],
  ],
];
for (const [what, clusters, used, chosen] of blocks) {
  test(`of a cluster's range is chosen: ${what}`, () => {
    const ranges = clusters.map((text) => ({ cidr: cidr(text), nodePrefix: text.includes(':') ? 64 : 24 }));
    assert.deepEqual(chooseBlocks(ranges, used.map(cidr)), chosen);
  });
}
