import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressAt,
  canonicalIp,
  contains,
  formatAddress,
  formatCidr,
  overlaps,
  parseAddress,
  parseCidr,
  subnetAt,
} from '../../../host/cidr.ts';

test('addresses are read strictly and written canonically', () => {
  const cases: readonly [string, string | undefined][] = [
    ['10.0.0.1', '10.0.0.1'],
    ['010.0.0.1', undefined],
    ['1', undefined],
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['fe80::1%eth0', undefined],
    ['10.0.0.1/8', undefined],
  ];
  for (const [text, canonical] of cases) assert.equal(canonicalIp(text), canonical, text);
});

test('blocks know their bounds', () => {
  const cidr = parseCidr('10.244.7.9/16');
  assert.ok(cidr);
  assert.equal(formatCidr(cidr), '10.244.0.0/16');
  assert.equal(formatAddress(addressAt(cidr, 257n)), '10.244.1.1');
  assert.throws(() => addressAt(cidr, 65536n), RangeError);
  assert.equal(subnetAt(cidr, 24, 256n), undefined);
  const last = subnetAt(cidr, 24, 255n);
  assert.ok(last);
  assert.equal(formatCidr(last), '10.244.255.0/24');
  assert.ok(overlaps(cidr, last) && overlaps(last, cidr));
  for (const bad of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/-1', 'x/8', '::/129'])
    assert.equal(parseCidr(bad), undefined, bad);
});

test('every address is in its own block, and reads back as itself', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 128n - 1n), fc.integer({ min: 0, max: 128 }), (bits, prefix) => {
      const text = formatAddress({ family: 6, bits });
      assert.deepEqual(parseAddress(text), { family: 6, bits });
      const cidr = parseCidr(`${text}/${prefix}`);
      assert.ok(cidr && contains(cidr, { family: 6, bits }));
    }),
  );
});
