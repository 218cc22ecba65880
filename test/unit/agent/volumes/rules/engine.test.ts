// What engines can do with mounts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mountsImages, mountsRecursivelyReadOnly } from '../../../../../agent/volumes/rules/engine.ts';

test('images are mounted by Docker 28 and later', () => {
  assert.deepEqual(['20.10.24', '27.5.1', '28.0.0', '29.1.0-rc.1', ''].map(mountsImages), [
    false,
    false,
    true,
    true,
    false,
  ]);
});

test('recursive read-only mounts need Docker 25 and Linux 5.12', () => {
  const cases: [string, string, boolean][] = [
    ['25.0.0', '5.12.0', true],
    ['28.2.2', '6.1.0-18-amd64', true],
    ['24.0.9', '6.1.0', false],
    ['25.0.0', '5.11.22', false],
    ['25.0.0', '4.19.0', false],
  ];
  for (const [version, kernel, expected] of cases) assert.equal(mountsRecursivelyReadOnly(version, kernel), expected);
});
