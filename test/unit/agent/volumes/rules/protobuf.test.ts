// Protocol Buffers: the bytes that other implementations write, and that what is written is read again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decode, encode, MalformedMessage } from '../../../../../agent/volumes/rules/protobuf.ts';

const inner = { text: [1, 'string'], list: [2, 'strings'] } as const;
const shape = {
  flag: [1, 'bool'],
  number: [2, 'int'],
  text: [3, 'string'],
  map: [4, 'map'],
  one: [5, { one: inner }],
  many: [16, { many: inner }],
} as const;

test('messages have the bytes that protoc gives them', () => {
  const message = { flag: true, number: 150, text: 'testing', map: { a: 'b' }, one: {}, many: [{ list: ['x', ''] }] };
  const bytes = '0801' + '109601' + '1a0774657374696e67' + '22060a0161120162' + '2a00' + '820105' + '120178' + '1200';
  assert.equal(encode(shape, message).toString('hex'), bytes);
  assert.deepEqual(decode(shape, Buffer.from(bytes, 'hex')), message);
});

test('fields that are not known are skipped, whatever their type', () => {
  const unknown = '780a' + '790102030405060708' + '7a0161' + '7d01020304';
  assert.deepEqual(decode(shape, Buffer.from(`${unknown}0801`, 'hex')), { flag: true });
});

test('what is cut off, too long or nested too deep is refused', () => {
  const refused = ['08', '1a05', '1a0561', '0b', `08${'ff'.repeat(11)}`, '1aff'];
  for (const hex of refused) {
    assert.throws(() => decode(shape, Buffer.from(hex, 'hex')), MalformedMessage, hex);
  }
  assert.throws(() => decode(shape, Buffer.from('1801', 'hex')), { message: 'bytes were expected' });
  assert.throws(() => decode(shape, Buffer.from('0a0161', 'hex')), { message: 'a number was expected' });
});

test('what was written is read again', () => {
  const text = fc.string({ unit: 'binary', minLength: 1 });
  const plain = { noNullPrototype: true };
  const innerValue = fc.record({ text, list: fc.array(text, { minLength: 1 }) }, plain);
  const value = fc.record(
    {
      flag: fc.constant(true),
      number: fc.maxSafeInteger().filter((number) => number !== 0),
      text,
      map: fc.dictionary(text, text, { minKeys: 1, noNullPrototype: true }),
      one: innerValue,
      many: fc.array(innerValue, { minLength: 1 }),
    },
    plain,
  );
  fc.assert(fc.property(value, (message) => assert.deepEqual(decode(shape, encode(shape, message)), message)));
});
