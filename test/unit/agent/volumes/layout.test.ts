// The kubelet's directory layout, and names that would climb out of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pluginOf, podLayout } from '../../../../agent/volumes/layout.ts';

test("a pod's paths are the kubelet's", () => {
  const layout = podLayout('/var/lib/kubelet', 'abc-1');
  assert.equal(layout.directory, '/var/lib/kubelet/pods/abc-1');
  assert.equal(layout.volume('empty-dir', 'v'), '/var/lib/kubelet/pods/abc-1/volumes/kubernetes.io~empty-dir/v');
  assert.equal(layout.readyMarker('v'), '/var/lib/kubelet/pods/abc-1/plugins/kubernetes.io~empty-dir/v/ready');
  assert.equal(layout.subPath('v', 'c', 3), '/var/lib/kubelet/pods/abc-1/volume-subpaths/v/c/3');
  assert.equal(pluginOf('kubernetes.io~secret'), 'secret');
});

test('no name of a static manifest climbs out', () => {
  for (const name of ['', '.', '..', '../x', 'a/b', 'a\0', 'A', '-a', 'a'.repeat(64), 'a\n']) {
    assert.throws(() => podLayout('/r', 'u').subPath('v', name, 0), /cannot be the name of a directory/);
  }
  for (const name of ['', '.', '..', '../x', '.x', 'a/b', 'a\0', 'A', '-a', 'a'.repeat(254), 'a\n']) {
    assert.throws(() => podLayout('/r', 'u').volume('secret', name), /cannot be the name of a directory/);
  }
  for (const uid of ['', '.', '..', '../x', 'a/b', 'a\0', '-a', 'a\n', 'a'.repeat(129)]) {
    assert.throws(() => podLayout('/r', uid), /cannot be the name of a directory/);
  }
});
