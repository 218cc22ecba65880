// Who may have the volume behind a claim.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  boundVolumeName,
  checkClaimedVolume,
  claimNameOf,
  fitsNode,
} from '../../../../../agent/volumes/rules/claims.ts';
import type { PersistentVolume, PersistentVolumeClaim, Volume } from '../../../../../kube/types.ts';
import { container, pod, uid } from '../../../../builders/pod.ts';

const volume: Volume = { name: 'data', persistentVolumeClaim: { claimName: 'mine' } };
const ephemeral: Volume = { name: 'data', ephemeral: {} };
const subject = pod();
const node = { name: 'node-1', labels: { zone: 'a', disks: '4' } };

function claim(over: { meta?: object; spec?: object; phase?: string } = {}): PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'mine', namespace: 'default', uid: 'claim-uid', ...over.meta },
    spec: { volumeName: 'pv-1', ...over.spec },
    status: { phase: (over.phase ?? 'Bound') as 'Bound' },
  };
}

function claimed(spec: object = {}): PersistentVolume {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'pv-1' },
    spec: { claimRef: { uid: 'claim-uid' }, ...spec },
  };
}

test('an ephemeral claim is named after pod and volume', () => {
  assert.equal(claimNameOf(subject, volume), 'mine');
  assert.equal(claimNameOf(subject, ephemeral), 'web-data');
  assert.equal(claimNameOf(subject, { name: 'data', emptyDir: {} }), undefined);
});

const processing = (detail: string): string => `error processing PVC default/mine: ${detail}`;
const gone = { deletionTimestamp: '2026-01-01T00:00:00Z' };
const unusable: [string, Volume, PersistentVolumeClaim | undefined, string][] = [
  [
    'absent',
    volume,
    undefined,
    processing('failed to fetch PVC from API server: persistentvolumeclaim "mine" not found'),
  ],
  ['pending', volume, claim({ phase: 'Pending' }), processing('PVC is not bound')],
  ['without a volume', volume, claim({ spec: { volumeName: '' } }), processing('PVC is not bound')],
  ['being deleted', volume, claim({ meta: gone }), processing('PVC is being deleted')],
  [
    "somebody else's",
    ephemeral,
    claim(),
    'PVC default/web-data was not created for pod default/web (pod is not owner)',
  ],
];
for (const [what, of, bound, message] of unusable) {
  test(`a claim that is ${what} keeps the pod waiting`, () =>
    assert.throws(() => boundVolumeName(subject, of, bound), { name: 'SetUpError', message }));
}

test('a claim that is bound names its volume, even while it is deleted under protection', () => {
  assert.equal(boundVolumeName(subject, volume, claim()), 'pv-1');
  const held = claim({ meta: { ...gone, finalizers: ['kubernetes.io/pvc-protection'] } });
  assert.equal(boundVolumeName(subject, volume, held), 'pv-1');
  const owned = claim({ meta: { ownerReferences: [{ uid, controller: true }] } });
  assert.equal(boundVolumeName(subject, ephemeral, owned), 'pv-1');
});

const mounting = pod({ containers: [container('m', { volumeMounts: [{ name: 'data', mountPath: '/d' }] })] });
const device = pod({ containers: [container('m', { volumeDevices: [{ name: 'data', devicePath: '/dev/d' }] })] });
const elsewhere = {
  required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['b'] }] }] },
};
const refused: [typeof mounting, object, string][] = [
  [
    mounting,
    { claimRef: undefined },
    'found PV object "pv-1" but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim',
  ],
  [
    mounting,
    { claimRef: { uid: 'other' } },
    'found PV object "pv-1" but its pv.Spec.ClaimRef.UID "other" does not point to claim.UID "claim-uid"',
  ],
  [mounting, { volumeMode: 'Block' }, 'volume data has volumeMode Block, but is specified in volumeMounts'],
  [device, {}, 'volume data has volumeMode Filesystem, but is specified in volumeDevices'],
  [device, { volumeMode: 'Block' }, 'block volumes of this kind are not supported by this node'],
  [mounting, { nodeAffinity: elsewhere }, 'no matching NodeSelectorTerms'],
];
for (const [who, spec, message] of refused) {
  test(`refused: ${message}`, () =>
    assert.throws(() => checkClaimedVolume(who, volume, claim(), claimed(spec), node), {
      name: 'SetUpError',
      message,
    }));
}

test('a volume of the claim that may be here passes', () =>
  checkClaimedVolume(mounting, volume, claim(), claimed(), node));

const one = (key: string, operator: string, ...values: string[]) => ({ matchExpressions: [{ key, operator, values }] });
const affinities: [string, object[], boolean][] = [
  ['a label that matches', [one('zone', 'In', 'a')], true],
  ['one of two terms', [one('zone', 'In', 'b'), one('zone', 'Exists')], true],
  ['a label that does not match', [one('zone', 'NotIn', 'a')], false],
  ['an inherited name is no label', [one('constructor', 'Exists')], false],
  ['numbers', [one('disks', 'Gt', '3')], true],
  ['a term that says nothing', [{}], false],
  ['the name of the node', [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-1'] }] }], true],
  ['no terms at all', [], false],
];
for (const [what, nodeSelectorTerms, fits] of affinities) {
  test(`node affinity: ${what}`, () => {
    const spec = { nodeAffinity: { required: { nodeSelectorTerms } } };
    assert.equal(fitsNode(claimed(spec), node), fits);
  });
}
