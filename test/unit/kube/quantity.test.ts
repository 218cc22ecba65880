import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatQuantity, milliValue, parseQuantity, tryParseQuantity, value } from '../../../kube/quantity.ts';

const readings: readonly [text: string, whole: number, milli: number, canonical: string][] = [
  ['0', 0, 0, '0'],
  ['1', 1, 1000, '1'],
  ['250m', 1, 250, '250m'],
  ['0.5', 1, 500, '500m'],
  ['1.5Gi', 1610612736, 1610612736000, '1536Mi'],
  ['1000', 1000, 1000000, '1k'],
  ['1024Ki', 1048576, 1048576000, '1Mi'],
  ['1e3', 1000, 1000000, '1e3'],
  ['12E', 12e18, 12e21, '9223372036854775807'],
  ['100u', 1, 1, '100u'],
  ['-1500m', -1, -1500, '-1500m'],
  ['.5', 1, 500, '500m'],
  ['5.', 5, 5000, '5'],
  ['+2M', 2000000, 2000000000, '2M'],
];

test('quantities are read exactly and written canonically', () => {
  for (const [text, whole, milli, canonical] of readings) {
    const quantity = parseQuantity(text);
    assert.deepEqual(
      {
        text,
        canonical: formatQuantity(quantity),
        ...(text === '12E' ? {} : { whole: value(quantity), milli: milliValue(quantity) }),
      },
      { text, canonical, ...(text === '12E' ? {} : { whole, milli }) },
    );
  }
});

test('what is no quantity is refused', () => {
  for (const text of ['', ' ', 'a', '1 ', '1Kb', '1.2.3', '--1', '1e', 'Ki', '0x10', '1_000', null, {}, Number.NaN]) {
    assert.equal(tryParseQuantity(text), undefined, String(text));
  }
});

test('writing and reading again gives the same amount', () => {
  fc.assert(
    fc.property(
      fc.bigInt(-(10n ** 18n), 10n ** 18n),
      fc.constantFrom('DecimalSI', 'BinarySI', 'DecimalExponent'),
      (nano, format) => {
        assert.equal(parseQuantity(formatQuantity({ nano, format: format as 'DecimalSI' })).nano, nano);
      },
    ),
  );
});
