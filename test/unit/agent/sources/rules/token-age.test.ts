// When tokens are due.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTokenDue, isTokenExpired } from '../../../../../agent/sources/rules/token-age.ts';

const hour = 3_600_000;
const rows: [string, number, number, number, boolean][] = [
  ['fresh', hour, 0, 0, false],
  ['at 79 % of its life', hour, 0.79 * hour, 0, false],
  ['past 80 % of its life', hour, 0.8 * hour + 1, 0, true],
  ['its jitter before 80 %', hour, 0.8 * hour - 4999, 5000, true],
  ['a day old, whatever its life', 1000 * hour, 24 * hour + 1, 0, true],
  ['not yet a day old', 1000 * hour, 24 * hour - 1, 0, false],
  ['ten years long and new', 10 * 365 * 24 * hour, 0, 10_000, false],
];
for (const [what, lifeMs, nowMs, jitterMs, due] of rows) {
  test(`a token that is ${what} is ${due ? 'due' : 'kept'}`, () =>
    assert.equal(isTokenDue({ issuedAtMs: 0, expiresAtMs: lifeMs }, nowMs, jitterMs), due));
}

test('a token ends at its end', () => {
  assert.equal(isTokenExpired({ issuedAtMs: 0, expiresAtMs: 10 }, 9), false);
  assert.equal(isTokenExpired({ issuedAtMs: 0, expiresAtMs: 10 }, 10), true);
});
