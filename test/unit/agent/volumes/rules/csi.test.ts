// Storage drivers' volumes: names, modes, who gets the group, and what drivers are told, as tables.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  accessModeNumber,
  checkLifecycle,
  claimedDriverVolume,
  type DriverVolume,
  inlineVolume,
  needsAttachment,
  podInfo,
  takesGroup,
  tokensText,
  uniqueName,
} from '../../../../../agent/volumes/rules/csi.ts';
import type { CSIDriver } from '../../../../../kube/types.ts';
import { pod, uid } from '../../../../builders/pod.ts';

const volume: DriverVolume = {
  driver: 'd.test',
  handle: 'h',
  name: 'pv',
  lifecycle: 'Persistent',
  fsType: 'ext4',
  readOnly: false,
  attributes: {},
  mountOptions: [],
  accessModes: ['ReadWriteOnce'],
};
const object = (spec: CSIDriver['spec']): CSIDriver => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'CSIDriver',
  metadata: { name: 'd.test' },
  spec,
});

test('a volume behind a claim is read-only where the claim or the volume says so', () => {
  const csi = {
    driver: 'd.test',
    volumeHandle: 'h',
    nodeStageSecretRef: { name: 's', namespace: 'ns' },
    nodePublishSecretRef: { name: 'p', namespace: 'ns' },
  };
  const claimed = (readOnly: boolean, over: object = {}) =>
    claimedDriverVolume(
      { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'pv' }, spec: { csi: { ...csi, ...over } } },
      readOnly,
    );
  assert.deepEqual(claimed(false), {
    ...volume,
    fsType: '',
    accessModes: [],
    stageSecret: { namespace: 'ns', name: 's' },
    publishSecret: { namespace: 'ns', name: 'p' },
  });
  assert.equal(claimed(true).readOnly, true);
  assert.equal(claimed(false, { readOnly: true }).readOnly, true);
  assert.equal(uniqueName(claimed(false)), 'kubernetes.io/csi/d.test^h');
});

test('an inline volume has a handle of its own pod and name', () => {
  const one = inlineVolume(pod(), { name: 'a', csi: { driver: 'd.test' } });
  assert.match(one.handle, /^csi-[0-9a-f]{64}$/);
  assert.notEqual(one.handle, inlineVolume(pod(), { name: 'b', csi: { driver: 'd.test' } }).handle);
  assert.deepEqual(podInfo(pod({ serviceAccountName: 'robot' }), one), {
    'csi.storage.k8s.io/pod.name': 'web',
    'csi.storage.k8s.io/pod.namespace': 'default',
    'csi.storage.k8s.io/pod.uid': uid,
    'csi.storage.k8s.io/serviceAccount.name': 'robot',
    'csi.storage.k8s.io/ephemeral': 'true',
  });
});

const groups: [string, Partial<DriverVolume>, CSIDriver | undefined, boolean][] = [
  ['no object: as by default', {}, undefined, true],
  ['by default one writer', { accessModes: ['ReadWriteMany'] }, object({}), false],
  ['by default a file system type', { fsType: '' }, object({}), false],
  [
    'policy File needs neither',
    { fsType: '', accessModes: ['ReadWriteMany'] },
    object({ fsGroupPolicy: 'File' }),
    true,
  ],
  ['policy None', {}, object({ fsGroupPolicy: 'None' }), false],
  ['never what is read-only', { readOnly: true }, object({ fsGroupPolicy: 'File' }), false],
];
for (const [what, over, driver, expected] of groups) {
  test(`who gives a volume to the group: ${what}`, () =>
    assert.equal(takesGroup({ ...volume, ...over }, driver), expected));
}

test('access modes have the numbers of the specification', () => {
  const modes = ['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOncePod'];
  assert.deepEqual(
    modes.map((mode) => [accessModeNumber([mode], false), accessModeNumber([mode], true)]),
    [
      [1, 7],
      [3, 3],
      [5, 5],
      [1, 6],
    ],
  );
});

test('only volumes that outlive pods are attached, unless the driver does without', () => {
  assert.equal(needsAttachment(volume, undefined), true);
  assert.equal(needsAttachment(volume, object({ attachRequired: false })), false);
  assert.equal(needsAttachment({ ...volume, lifecycle: 'Ephemeral' }, object({})), false);
});

test('a kind of volume that the driver does not know is refused', () => {
  checkLifecycle(volume, undefined);
  assert.throws(() => checkLifecycle({ ...volume, lifecycle: 'Ephemeral' }, undefined), {
    message: 'volume mode "Ephemeral" not supported by driver d.test (only supports ["Persistent"])',
  });
});

test('tokens are told with the end that stands in them', () => {
  const token = `.${Buffer.from('{"exp":1800000000}').toString('base64url')}.`;
  assert.equal(
    tokensText([{ audience: 'a', token }]),
    JSON.stringify({ a: { token, expirationTimestamp: '2027-01-15T08:00:00Z' } }),
  );
  assert.throws(() => tokensText([{ audience: 'a', token: 'x' }]), { name: 'SetUpError' });
});
