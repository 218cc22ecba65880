// Kernel settings from the configuration.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableSize } from '../../../../proxy/conntrack/sysctls.ts';

test('the table grows with the cores, between a floor and a ceiling', () => {
  const size = (cores: number, maxPerCore = 32_768, min = 131_072) => tableSize({ maxPerCore, min } as never, cores);
  assert.deepEqual(
    [1, 2, 4, 8, 64].map((cores) => size(cores)),
    [131_072, 131_072, 131_072, 262_144, 1_048_576],
  );
  assert.equal(size(8, 0), undefined);
});
