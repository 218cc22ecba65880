// Addresses as people write them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { usableAddresses, usableCidrs } from '../../../../proxy/rules/addresses.ts';

const read = (texts: unknown[], family: 4 | 6 = 4): { found: string[]; refused: string[] } => {
  const refused: string[] = [];
  return { found: usableAddresses(texts, family, (text) => refused.push(text)), refused };
};

test('addresses become canonical, and each counts once', () => {
  assert.deepEqual(read([' 203.0.113.010 ', '203.0.113.10', '::ffff:203.0.113.11']).found, [
    '203.0.113.10',
    '203.0.113.11',
  ]);
  assert.deepEqual(read(['2001:DB8:0::1', '203.0.113.1'], 6).found, ['2001:db8::1']);
});

test('addresses that are the node’s own business are refused', () => {
  const bad = [
    '127.0.0.1',
    '0.0.0.0',
    '169.254.169.254',
    '224.0.0.1',
    '::1',
    'fe80::1',
    '::ffff:127.0.0.1',
    'x',
    '',
    7,
  ];
  assert.deepEqual(read(bad), { found: [], refused: bad.map(String) });
});

test('blocks lose their host bits', () => {
  assert.deepEqual(
    usableCidrs([' 10.1.2.3/08', '10.1.2.3/8', '2001:db8::1/32'], 4, () => {}),
    ['10.0.0.0/8'],
  );
});

test('whatever the text, what comes out is safe in a rule', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6())), (texts) => {
      for (const family of [4, 6] as const) {
        for (const ip of read(texts, family).found) assert.match(ip, /^[0-9a-f.:]+$/);
        for (const cidr of usableCidrs(texts, family, () => {})) assert.match(cidr, /^[0-9a-f.:]+\/\d+$/);
      }
    }),
  );
});
