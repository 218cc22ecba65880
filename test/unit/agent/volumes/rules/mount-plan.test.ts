// How containers see volumes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MountPlan, planMount } from '../../../../../agent/volumes/rules/mount-plan.ts';
import type { Container, Volume, VolumeMount } from '../../../../../kube/types.ts';
import { container } from '../../../../builders/pod.ts';

const emptyDir: Volume = { name: 'v', emptyDir: {} };
const secret: Volume = { name: 'v', secret: { secretName: 's' } };
const plain: MountPlan = { containerPath: '/m', readOnly: false, propagation: 'rprivate', subPath: '' };
const env = { POD: 'web-0', EMPTY: '', DIR: '../..', ABS: '/etc' };
const privileged: Partial<Container> = { securityContext: { privileged: true } };

const fine: [string, Volume, Partial<VolumeMount>, Partial<Container>, Partial<MountPlan>][] = [
  ['plain', emptyDir, {}, {}, {}],
  ['a relative mount path', emptyDir, { mountPath: 'm' }, {}, {}],
  ['read-only when the mount says so', emptyDir, { readOnly: true }, {}, { readOnly: true }],
  ['a secret is read-only whatever the mount says', secret, { readOnly: false }, {}, { readOnly: true }],
  ['later mounts of the host', emptyDir, { mountPropagation: 'HostToContainer' }, {}, { propagation: 'rslave' }],
  ['both ways', emptyDir, { mountPropagation: 'Bidirectional' }, privileged, { propagation: 'rshared' }],
  ['subPath', emptyDir, { subPath: 'a/b' }, {}, { subPath: 'a/b' }],
  ['subPathExpr', emptyDir, { subPathExpr: '$(POD)/x' }, {}, { subPath: 'web-0/x' }],
  ['an escaped reference', emptyDir, { subPathExpr: '$$(POD)-$x' }, {}, { subPath: '$(POD)-$x' }],
  ['recursive if possible', emptyDir, { readOnly: true, recursiveReadOnly: 'IfPossible' }, {}, { readOnly: true }],
];
for (const [what, volume, mount, over, expected] of fine) {
  test(`mounted: ${what}`, () => {
    const plan = planMount(container('c', over), { name: 'v', mountPath: '/m', ...mount }, volume, {
      env,
      canRecurse: false,
    });
    assert.deepEqual(plan, { ...plain, ...expected });
  });
}

const refused: [Partial<VolumeMount>, string][] = [
  [{ subPathExpr: '$(NO)-$(EMPTY)-$(NO)-$(constructor)' }, 'missing value for EMPTY, NO, constructor'],
  [{ subPathExpr: '$(ABS)' }, 'error SubPath `/etc` must not be an absolute path'],
  [{ subPathExpr: '$(DIR)' }, "unable to provision SubPath `../..`: must not contain '..'"],
  [{ subPath: '/etc' }, 'error SubPath `/etc` must not be an absolute path'],
  [{ mountPath: '/x:/y' }, `invalid mountPath "/x:/y": must not contain ':'`],
  [
    { mountPropagation: 'Bidirectional' },
    'Bidirectional mount propagation of volume "v" is available only to privileged containers, and "c" is none',
  ],
  [{ mountPropagation: 'Sideways' as 'None' }, 'invalid MountPropagation mode: "Sideways"'],
  [
    { readOnly: true, recursiveReadOnly: 'Enabled' },
    'failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but it is not supported by the runtime',
  ],
  [
    { recursiveReadOnly: 'Enabled' },
    'failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but it is not read-only',
  ],
];
for (const [mount, message] of refused) {
  test(`refused: ${message}`, () =>
    assert.throws(
      () => planMount(container('c'), { name: 'v', mountPath: '/m', ...mount }, emptyDir, { env, canRecurse: false }),
      {
        name: 'MountRefusal',
        message,
      },
    ));
}

test('an engine that can makes the mounts below read-only too, where it is asked to', () => {
  const asked = (mount: Partial<VolumeMount>) =>
    planMount(container('c'), { name: 'v', mountPath: '/m', readOnly: true, ...mount }, emptyDir, {
      env,
      canRecurse: true,
    }).isRecursivelyReadOnly;
  assert.equal(asked({ recursiveReadOnly: 'Enabled' }), true);
  assert.equal(asked({ recursiveReadOnly: 'IfPossible' }), true);
  assert.equal(asked({ recursiveReadOnly: 'Disabled' }), undefined);
  assert.equal(asked({}), undefined);
  assert.throws(() => asked({ recursiveReadOnly: 'Enabled', mountPropagation: 'HostToContainer' }), {
    message:
      'failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but it is not compatible with propagation "HostToContainer"',
  });
});
