import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeAddress, gatewayAddresses, nextAddress, parseRangeSets } from '../../../../cni/rules/ranges.ts';

const setOf = (...ranges: object[]) => parseRangeSets({ ranges: [ranges] }, {})[0] ?? assert.fail('no set');
const small = setOf({ subnet: '10.0.0.0/29' });
const two = setOf({ subnet: '10.0.0.0/30' }, { subnet: '10.0.1.0/24', rangeStart: '10.0.1.10', rangeEnd: '10.0.1.11' });

const searches: readonly [
  what: string,
  taken: readonly string[],
  last: string | undefined,
  next: string | undefined,
][] = [
  ['the first is after the gateway', [], undefined, '10.0.0.2'],
  ['after the last', [], '10.0.0.4', '10.0.0.5'],
  ['around the end', [], '10.0.0.6', '10.0.0.2'],
  ['past those that are taken', ['10.0.0.3', '10.0.0.4'], '10.0.0.2', '10.0.0.5'],
  [
    'the last itself, when it is the only one left',
    ['10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6'],
    '10.0.0.2',
    '10.0.0.2',
  ],
  ['none is left', ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6'], '10.0.0.2', undefined],
  ['a hint from another subnet', [], '192.168.0.1', '10.0.0.2'],
];

for (const [what, taken, last, next] of searches) {
  test(`next address: ${what}`, () => assert.equal(nextAddress(small, new Set(taken), last), next));
}

test('a set is used range by range, and around', () => {
  const order: (string | undefined)[] = [];
  for (let at = 0; at < 4; at++) order.push(nextAddress(two, new Set(), order.at(-1)));
  assert.deepEqual(order, ['10.0.0.2', '10.0.1.10', '10.0.1.11', '10.0.0.2']);
});

test('a huge IPv6 block is searched no further than it must', () => {
  const set = setOf({ subnet: 'fd00::/48' });
  assert.equal(nextAddress(set, new Set(['fd00::2', 'fd00::3']), undefined), 'fd00::4');
  assert.equal(nextAddress(set, new Set(), 'fd00:0:0:ffff:ffff:ffff:ffff:ffff'), 'fd00::2');
});

test('no address is given twice, and the last one free is found', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 60 }), (steps) => {
      const held: string[] = [];
      let last: string | undefined;
      for (const step of steps) {
        if (step < 8 && held.length > 0) held.splice(step % held.length, 1);
        const next = nextAddress(small, new Set(held), last);
        if (next === undefined) {
          assert.equal(held.length, 5);
          continue;
        }
        assert.ok(!held.includes(next) && next !== '10.0.0.1');
        last = next;
        held.push(next);
      }
    }),
  );
});

test('an address is described by the range that holds it', () => {
  assert.deepEqual(describeAddress([two], '10.0.1.10'), {
    family: 4,
    address: '10.0.1.10',
    prefix: 24,
    gateway: '10.0.1.1',
  });
  assert.equal(describeAddress([two], '10.0.2.1'), undefined);
  assert.deepEqual(gatewayAddresses([two, setOf({ subnet: 'fd00::/64' })]), [
    '10.0.0.1/30',
    '10.0.1.1/24',
    'fd00::1/64',
  ]);
});
