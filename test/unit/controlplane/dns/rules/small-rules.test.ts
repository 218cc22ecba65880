// The small rules: names made of addresses, the host's resolvers, how many questions may leave, how long an answer may be kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode, type RecordType } from 'dns-packet';
import fc from 'fast-check';
import { type Purse, spend } from '../../../../../controlplane/dns/rules/budget.ts';
import { isHeard, parseNetworks, privateNetworks } from '../../../../../controlplane/dns/rules/clients.ts';
import { addressOfDashed, dashed, reverseName } from '../../../../../controlplane/dns/rules/names.ts';
import { readReply } from '../../../../../controlplane/dns/rules/reply.ts';
import { resolversOf } from '../../../../../controlplane/dns/rules/resolvers.ts';

test('addresses are read back from their dashes', () => {
  fc.assert(fc.property(fc.ipV4(), (ip) => assert.deepEqual(addressOfDashed(dashed(ip)), { family: 4, ip })));
  for (const label of ['', '-', '1-2-3', '1-2-3-4-5', '256-1-1-1', 'hello', '1-2-3-x'])
    assert.equal(addressOfDashed(label), undefined, label);
  assert.equal(reverseName('10.96.0.1'), '1.0.96.10.in-addr.arpa');
  assert.equal(reverseName('hello'), undefined);
});

test('private networks are heard, the Internet is not', () => {
  const networks = parseNetworks(privateNetworks) ?? [];
  for (const source of ['10.244.0.5', '192.168.77.2', '127.0.0.1', 'fe80::1%eth0', 'fd00::1', '::1', '100.64.0.1'])
    assert.equal(isHeard(source, networks), true, source);
  for (const source of ['8.8.8.8', '172.32.0.1', '2001:db8::1', '', 'x'])
    assert.equal(isHeard(source, networks), false, source);
  assert.equal(parseNetworks('10.0.0.0/8,all'), undefined);
});

test('three resolvers of the host, never ourselves', () => {
  const text =
    '# c\nnameserver 10.0.0.1\n search x\nnameserver 10.96.0.10\nnameserver fe80::1%eth0\nnameserver ::1\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3';
  assert.deepEqual(resolversOf(text, ['10.96.0.10']), ['10.0.0.1', '::1', '10.0.0.2']);
  assert.deepEqual(resolversOf('', []), []);
});

test('a second earns what it may, never more than the burst, also when time goes back', () => {
  const budget = { perSecond: 2, burst: 3 };
  let purse: Purse = { left: 3, atMs: 0 };
  const asked = [0, 0, 0, 0, 499, 500, 10_000, 10_000, 10_000, 10_000, 9000].map((nowMs) => {
    const next = spend(budget, purse, nowMs);
    purse = next ?? purse;
    return next !== undefined;
  });
  assert.deepEqual(asked, [true, true, true, false, false, true, true, true, true, false, false]);
});

const record = (type: 'A' | 'SOA', ttl: number) =>
  type === 'A'
    ? { name: 'a.b', type, ttl, data: '10.0.0.1' }
    : { name: 'b', type, ttl, data: { mname: 'm', rname: 'r', minimum: 7 } };

function reply(rcode: number, sections: { answers?: object[]; authorities?: object[] }, flags = 0): Buffer {
  const questions = [{ name: 'a.b', type: 'A' as RecordType }];
  return encode({ type: 'response', flags: rcode | flags, questions, ...(sections as { answers: [] }) });
}

test('an answer is kept for its shortest time, "no" for what the zone says, trouble not at all', () => {
  const seconds = (bytes: Buffer): number | undefined => readReply(bytes)?.ttlSeconds;
  assert.equal(seconds(reply(0, { answers: [record('A', 20), record('A', 9)] })), 9);
  assert.equal(seconds(reply(0, { answers: [record('A', 3600)] })), 30);
  assert.equal(seconds(reply(3, { authorities: [record('SOA', 900)] })), 7);
  assert.equal(seconds(reply(0, { authorities: [record('SOA', 3)] })), 3);
  assert.equal(seconds(reply(3, {})), 0);
  assert.equal(seconds(reply(2, { answers: [record('A', 20)] })), 0);
  assert.equal(seconds(reply(0, { answers: [record('A', 20)] }, 0x0200)), 0);
  assert.equal(seconds(encode({ type: 'query', questions: [{ name: 'a', type: 'A' }] })), undefined);
  const whole = reply(0, { answers: [record('A', 20)] });
  for (let length = 0; length < whole.length; length++) assert.equal(seconds(whole.subarray(0, length)), undefined);
});

test('no bytes whatever make the reader throw or run on', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      const header = Buffer.from([0, 0, 0x80, 0, 0, 1, 0xff, 0xff, 0, 9, 0, 9]);
      readReply(Buffer.from(bytes));
      readReply(Buffer.concat([header, bytes]));
    }),
  );
});
