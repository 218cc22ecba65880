// How much an emptyDir in memory may hold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  hugePageSize,
  knowsNoSwap,
  podMemoryLimitBytes,
  tmpfsSizeBytes,
} from '../../../../../agent/volumes/rules/empty-dir.ts';
import type { Container, PodSpec } from '../../../../../kube/types.ts';
import { container, pod } from '../../../../builders/pod.ts';

const limited = (name: string, memory: string, over: Partial<Container> = {}): Container =>
  container(name, { resources: { limits: { memory } }, ...over });
const allocatable = { memory: '1Mi' };

const limits: [string, Partial<PodSpec>, number | undefined][] = [
  ['no limit', {}, undefined],
  ['one of two is limited', { containers: [limited('a', '1Ki'), container('b')] }, undefined],
  ['both are limited', { containers: [limited('a', '1Ki'), limited('b', '2Ki')] }, 3072],
  ['a bigger init container', { containers: [limited('a', '1Ki')], initContainers: [limited('i', '8Ki')] }, 8192],
  [
    'an init container without limit',
    { containers: [limited('a', '1Ki')], initContainers: [container('i')] },
    undefined,
  ],
  [
    'a sidecar runs beside the others',
    { containers: [limited('a', '1Ki')], initContainers: [limited('s', '1Ki', { restartPolicy: 'Always' })] },
    2048,
  ],
  ['the pod itself is limited', { resources: { limits: { memory: '5Ki' } } }, 5120],
];
for (const [what, spec, expected] of limits) {
  test(`memory limit of a pod: ${what}`, () => assert.equal(podMemoryLimitBytes(pod(spec)), expected));
}

test('the least of all bounds counts', () => {
  const small = pod({ containers: [limited('a', '4Ki')] });
  assert.equal(tmpfsSizeBytes(pod(), undefined, allocatable), 1048576);
  assert.equal(tmpfsSizeBytes(pod(), '64Ki', allocatable), 65536);
  assert.equal(tmpfsSizeBytes(pod(), '64Mi', allocatable), 1048576);
  assert.equal(tmpfsSizeBytes(small, '64Ki', allocatable), 4096);
  assert.equal(tmpfsSizeBytes(pod(), '0', {}), 0);
});

test('noswap came with Linux 6.4', () => {
  const releases = ['5.10.0-1', '6.3.9', '6.4.0', '6.18.44-fc', '7.0', 'odd'];
  assert.deepEqual(releases.map(knowsNoSwap), [false, false, true, true, true, false]);
});

test('the page size is in the medium, or the only one that the pod asks for', () => {
  const asks = (...names: string[]) =>
    pod({
      containers: [container('a', { resources: { requests: Object.fromEntries(names.map((name) => [name, '2Mi'])) } })],
    });
  assert.equal(hugePageSize(pod(), 'HugePages-1Gi'), '1Gi');
  assert.equal(hugePageSize(asks('memory', 'hugepages-2Mi'), 'HugePages'), '2Mi');
  assert.equal(hugePageSize(asks('hugepages-1Gi', 'hugepages-2Mi'), 'HugePages'), undefined);
  assert.equal(hugePageSize(pod(), 'HugePages'), undefined);
});
