// What control groups say, as the kernel writes it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cgroupPathOf, limitOf } from '../../../host/cgroup-facts.ts';

test('no limit has a word in version 2, a huge number and -1 in version 1', () => {
  assert.deepEqual(['max 100000', 'max', '-1', '9223372036854771712'].map(limitOf), [0, 0, 0, 0]);
  assert.deepEqual(['50000 100000', '104857600\n', '2500'].map(limitOf), [50_000, 104_857_600, 2500]);
});

test('a process is found in the hierarchy of the controller', () => {
  const legacy = '4:memory:/kubepods/pod1/abc\n3:cpu,cpuacct:/kubepods/pod1\n1:name=systemd:/x\n';
  assert.equal(cgroupPathOf(legacy, 1, 'memory'), '/kubepods/pod1/abc');
  assert.equal(cgroupPathOf(legacy, 1, 'cpu'), '/kubepods/pod1');
  assert.equal(cgroupPathOf('0::/kubepods.slice/x\n', 2, 'memory'), '/kubepods.slice/x');
  assert.equal(cgroupPathOf('1:name=systemd:/x\n', 1, 'memory'), undefined);
});
