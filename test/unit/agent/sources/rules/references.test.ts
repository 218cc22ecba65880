// Which objects a pod refers to.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceKey, referencesOf } from '../../../../../agent/sources/rules/references.ts';
import { container, pod } from '../../../../builders/pod.ts';

test('every way to refer to an object is seen', () => {
  const subject = pod({
    imagePullSecrets: [{ name: 'pull' }, {}],
    volumes: [
      { name: 'a', configMap: { name: 'cm-volume' } },
      { name: 'b', secret: { secretName: 's-volume' } },
      {
        name: 'c',
        projected: { sources: [{ configMap: { name: 'cm-projected' } }, { secret: { name: 's-projected' } }] },
      },
      { name: 'd', emptyDir: {} },
      { name: 'e', csi: { driver: 'd', nodePublishSecretRef: { name: 's-csi' } } },
    ],
    containers: [
      container('m', { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'cm-env', key: 'k' } } }] }),
    ],
    initContainers: [
      container('i', { envFrom: [{ configMapRef: { name: 'cm-from' } }, { secretRef: { name: 's-from' } }] }),
    ],
    ephemeralContainers: [
      { name: 'e', env: [{ name: 'B', valueFrom: { secretKeyRef: { name: 's-env', key: 'k' } } }] },
    ],
  });
  assert.deepEqual(referencesOf(subject).map(referenceKey).toSorted(), [
    'ConfigMap/default/cm-env',
    'ConfigMap/default/cm-from',
    'ConfigMap/default/cm-projected',
    'ConfigMap/default/cm-volume',
    'Secret/default/pull',
    'Secret/default/s-csi',
    'Secret/default/s-env',
    'Secret/default/s-from',
    'Secret/default/s-projected',
    'Secret/default/s-volume',
  ]);
});
