// Group ownership of volumes and tokens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commonUser, groupMode, rootMatches, tokenFile } from '../../../../../agent/volumes/rules/fs-group.ts';
import type { PodSpec } from '../../../../../kube/types.ts';
import { container, pod } from '../../../../builders/pod.ts';

test('the group may read or write, and enters and inherits directories', () => {
  assert.equal(groupMode(0o100600, 'file', 'readWrite'), 0o660);
  assert.equal(groupMode(0o100400, 'file', 'readOnly'), 0o440);
  assert.equal(groupMode(0o40755, 'directory', 'readWrite'), 0o2775);
  assert.equal(groupMode(0o41777, 'directory', 'readOnly'), 0o3777);
  assert.equal(groupMode(0o104711, 'file', 'readWrite'), 0o4771);
});

test('a root matches when group, bits and set-group-id are as the change leaves them', () => {
  assert.equal(rootMatches({ mode: 0o42775, gid: 7 }, 7), true);
  assert.equal(rootMatches({ mode: 0o42775, gid: 8 }, 7), false);
  assert.equal(rootMatches({ mode: 0o40775, gid: 7 }, 7), false);
  assert.equal(rootMatches({ mode: 0o42755, gid: 7 }, 7), false);
});

const as = (runAsUser: number | undefined) => (runAsUser === undefined ? {} : { securityContext: { runAsUser } });
const users: [string, Partial<PodSpec>, number | undefined][] = [
  ['nobody says', {}, undefined],
  ['the pod says', as(7), 7],
  ['a container says otherwise', { ...as(7), containers: [container('a'), container('b', as(8))] }, undefined],
  ['all containers agree', { containers: [container('a', as(0))], initContainers: [container('i', as(0))] }, 0],
  ['one does not say', { containers: [container('a', as(7)), container('b')] }, undefined],
];
for (const [what, spec, user] of users) {
  test(`the user of all containers when ${what}`, () => assert.equal(commonUser(pod(spec)), user));
}

test('a token is private when a user or a group can be named', () => {
  assert.deepEqual(tokenFile(pod(), 0o644), { mode: 0o644 });
  assert.deepEqual(tokenFile(pod(as(7)), 0o644), { mode: 0o600, uid: 7 });
  assert.deepEqual(tokenFile(pod({ securityContext: { fsGroup: 9 } }), 0o644), { mode: 0o600 });
});
