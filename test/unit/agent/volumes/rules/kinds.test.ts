// Which volumes a pod uses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindOf, refersTo, usedVolumes } from '../../../../../agent/volumes/rules/kinds.ts';
import type { Volume } from '../../../../../kube/types.ts';
import { container, pod } from '../../../../builders/pod.ts';

test('the kind is the one source; no source is an emptyDir', () => {
  assert.equal(kindOf({ name: 'v', nfs: { server: 's', path: '/' } }), 'nfs');
  assert.equal(kindOf({ name: 'v' }), 'emptyDir');
});

test('volumes of init, app and ephemeral containers and block devices are used, others are not', () => {
  const names = ['a', 'b', 'c', 'd', 'unused'];
  const mounting = (name: string) => container(`of-${name}`, { volumeMounts: [{ name, mountPath: '/m' }] });
  const subject = pod({
    volumes: names.map((name) => ({ name, emptyDir: {} })),
    initContainers: [mounting('b')],
    containers: [mounting('a'), container('block', { volumeDevices: [{ name: 'd', devicePath: '/dev/x' }] })],
    ephemeralContainers: [{ name: 'e', volumeMounts: [{ name: 'c', mountPath: '/m' }] }],
  });
  assert.deepEqual(
    usedVolumes(subject).map(({ name }) => name),
    ['a', 'b', 'c', 'd'],
  );
});

test('a volume refers to the objects that it is made from, projected ones too', () => {
  const projected: Volume = {
    name: 'v',
    projected: { sources: [{ configMap: { name: 'm' } }, { secret: { name: 's' } }] },
  };
  assert.equal(refersTo(projected, 'ConfigMap', 'm'), true);
  assert.equal(refersTo(projected, 'Secret', 's'), true);
  assert.equal(refersTo(projected, 'Secret', 'm'), false);
  assert.equal(refersTo({ name: 'v', configMap: { name: 'm' } }, 'ConfigMap', 'm'), true);
  assert.equal(refersTo({ name: 'v', secret: { secretName: 's' } }, 'Secret', 's'), true);
  assert.equal(refersTo({ name: 'v', emptyDir: {} }, 'Secret', 's'), false);
});
