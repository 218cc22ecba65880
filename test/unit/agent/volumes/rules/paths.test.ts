// Paths that manifests name inside volumes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { badFilePath, badSubPath, cleanPath } from '../../../../../agent/volumes/rules/paths.ts';

const long = 'x'.repeat(256);
const files: [string, string | undefined][] = [
  ['a', undefined],
  ['a/b.c/d', undefined],
  ['./a//b', undefined],
  ['a..b', undefined],
  ['a/..b', undefined],
  ['__proto__', undefined],
  ['line\nbreak', undefined],
  ['', 'invalid path: must not be empty'],
  ['.', 'invalid path: names no file: .'],
  ['/etc/cron.d/x', 'invalid path: must be relative path: /etc/cron.d/x'],
  ['..', "invalid path: must not contain '..': .."],
  ['../../../etc/cron.d/x', "invalid path: must not contain '..': ../../../etc/cron.d/x"],
  ['a/../../b', "invalid path: must not contain '..': a/../../b"],
  ['..foo', "invalid path: must not start with '..': ..foo"],
  ['./..foo', "invalid path: must not start with '..': ./..foo"],
  ['..data', "invalid path: must not start with '..': ..data"],
  ['a\0b', 'invalid path: must not contain a NUL byte'],
  [long, 'invalid path: filenames must be less than or equal to 255 characters'],
  [`${'y/'.repeat(2048)}z`, 'invalid path: must be less than or equal to 4096 characters'],
];
for (const [path, bad] of files) {
  test(`file path ${JSON.stringify(path.slice(0, 40))} is ${bad ? 'refused' : 'fine'}`, () =>
    assert.equal(badFilePath(path), bad));
}

const subPaths: [string, string | undefined][] = [
  ['', undefined],
  ['a/b', undefined],
  ['a..', undefined],
  ['..a', undefined],
  ['/etc', 'error SubPath `/etc` must not be an absolute path'],
  ['a/../../b', "unable to provision SubPath `a/../../b`: must not contain '..'"],
  ['..', "unable to provision SubPath `..`: must not contain '..'"],
  ['a\0', 'SubPath must not contain a NUL byte'],
];
for (const [path, bad] of subPaths) {
  test(`subPath ${JSON.stringify(path)} is ${bad ? 'refused' : 'fine'}`, () => assert.equal(badSubPath(path), bad));
}

test('what passes never leaves the volume, however it is written', () => {
  const element = fc.constantFrom('a', '.', '..', '', '..b', 'c', '\0');
  fc.assert(
    fc.property(fc.array(element, { maxLength: 6 }), (elements) => {
      const path = elements.join('/');
      if (badFilePath(path)) return;
      const clean = cleanPath(path).split('/');
      assert.ok(clean.length > 0 && clean.every((one) => one !== '' && one !== '.' && one !== '..'));
      assert.ok(!clean[0]?.startsWith('..'));
    }),
  );
});
