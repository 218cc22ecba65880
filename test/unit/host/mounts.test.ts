// mountinfo as the kernel writes it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseMountInfo } from '../../../host/mounts.ts';

test('a plain, a shared and a bound mount are read field by field', () => {
  const text = [
    '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard',
    '63 27 0:39 / /run/x rw,nosuid shared:7 master:2 - tmpfs tmpfs rw,size=1024k,noswap',
    '64 63 0:39 /sub /mnt/y ro - tmpfs tmpfs rw',
    '',
  ].join('\n');
  assert.deepEqual(parseMountInfo(text), [
    {
      id: 27,
      parentId: 1,
      device: '254:0',
      root: '/',
      mountPoint: '/',
      options: ['rw', 'relatime'],
      shared: false,
      fsType: 'ext4',
      source: '/dev/vda',
      superOptions: ['rw', 'discard'],
    },
    {
      id: 63,
      parentId: 27,
      device: '0:39',
      root: '/',
      mountPoint: '/run/x',
      options: ['rw', 'nosuid'],
      shared: true,
      fsType: 'tmpfs',
      source: 'tmpfs',
      superOptions: ['rw', 'size=1024k', 'noswap'],
    },
    {
      id: 64,
      parentId: 63,
      device: '0:39',
      root: '/sub',
      mountPoint: '/mnt/y',
      options: ['ro'],
      shared: false,
      fsType: 'tmpfs',
      source: 'tmpfs',
      superOptions: ['rw'],
    },
  ]);
});

test('octal escapes become the characters they stand for', () => {
  const [mount] = parseMountInfo('1 0 0:1 /a\\134b /x\\040y\\011z\\012\\1340 rw - nfs4 host:/a\\040b rw,addr=1.2.3.4');
  assert.equal(mount?.root, '/a\\b');
  assert.equal(mount?.mountPoint, '/x y\tz\n\\0');
  assert.equal(mount?.source, 'host:/a b');
});

test('an empty source is a source', () => {
  assert.equal(parseMountInfo('1 0 0:1 / /x rw -  ').length, 0);
  assert.equal(parseMountInfo('1 0 0:1 / /x rw - fuse  rw')[0]?.source, '');
});

test('no text makes it throw', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => Array.isArray(parseMountInfo(text))));
});
