// The downward API as text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DownwardItem, downwardPayload, goQuoted } from '../../../../../agent/volumes/rules/downward.ts';
import { container, pod, uid } from '../../../../builders/pod.ts';

const resources = {
  requests: { cpu: '250m', memory: '32Mi', 'hugepages-2Mi': '4Mi' },
  limits: { cpu: '1250m', memory: '64Mi' },
};
const subject = pod(
  { containers: [container('main', { resources }), container('free')] },
  { labels: { b: 'two', a: 'one' }, annotations: { note: 'x\n"y"', constructor: 'c' } },
);
const allocatable = { cpu: '2', memory: '1Gi', 'ephemeral-storage': '5Gi' };

function textOf(item: Omit<DownwardItem, 'path'>): string | undefined {
  return downwardPayload(subject, [{ path: 'f', ...item }], 0o644, allocatable)
    .get('f')
    ?.data.toString();
}

const fields: [string, string][] = [
  ['metadata.name', 'web'],
  ['metadata.namespace', 'default'],
  ['metadata.uid', uid],
  ['metadata.labels', 'a="one"\nb="two"'],
  ['metadata.annotations', 'constructor="c"\nnote="x\\n\\"y\\""'],
  ["metadata.labels['a']", 'one'],
  ["metadata.labels['toString']", ''],
  ["metadata.annotations['constructor']", 'c'],
];
for (const [fieldPath, text] of fields) {
  test(`field ${fieldPath} is ${JSON.stringify(text)}`, () => assert.equal(textOf({ fieldRef: { fieldPath } }), text));
}

const amounts: [string, string, string | undefined, string][] = [
  ['main', 'limits.cpu', undefined, '2'],
  ['main', 'limits.cpu', '1m', '1250'],
  ['main', 'requests.cpu', undefined, '1'],
  ['main', 'requests.cpu', '0', '1'],
  ['main', 'requests.memory', undefined, '33554432'],
  ['main', 'requests.memory', '1Mi', '32'],
  ['main', 'limits.memory', '1Gi', '1'],
  ['main', 'requests.hugepages-2Mi', '1Mi', '4'],
  ['free', 'limits.cpu', undefined, '2'],
  ['free', 'limits.memory', '1Mi', '1024'],
  ['free', 'limits.ephemeral-storage', '1Gi', '5'],
  ['free', 'requests.cpu', undefined, '0'],
  ['free', 'requests.memory', undefined, '0'],
];
for (const [containerName, resource, divisor, text] of amounts) {
  test(`${resource} of ${containerName} in units of ${divisor ?? '1'} is ${text}`, () =>
    assert.equal(textOf({ resourceFieldRef: { containerName, resource, divisor } }), text));
}

const refused: [Omit<DownwardItem, 'path'>, string][] = [
  [{ fieldRef: { fieldPath: 'spec.nodeName' } }, 'unsupported fieldPath: spec.nodeName'],
  [{ resourceFieldRef: { containerName: 'no', resource: 'limits.cpu' } }, 'container no not found'],
  [
    { resourceFieldRef: { containerName: 'main', resource: 'limits.gpu' } },
    'unsupported container resource : limits.gpu',
  ],
  [{}, 'downward API item "f" has neither fieldRef nor resourceFieldRef'],
];
for (const [item, message] of refused) {
  test(`refused: ${message}`, () => assert.throws(() => textOf(item), { name: 'SetUpError', message }));
}

test('quotes as %q of Go does', () => {
  assert.equal(
    goQuoted('a"\\\n\t\x01\x7fé世🙂\u00a0\u200b\u{e0001}'),
    '"a\\"\\\\\\n\\t\\x01\\x7fé世🙂\\u00a0\\u200b\\U000e0001"',
  );
});
