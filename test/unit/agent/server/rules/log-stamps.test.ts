// One stamp per line, however the engine cut the line and however the stream is cut.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { OutputChunk } from '../../../../../agent/docker/engine.ts';
import { createStampFilter } from '../../../../../agent/server/rules/log-stamps.ts';

const stamp = '2026-01-02T03:04:05.000000006Z ';

/** As Docker keeps a line: in records of at most 16 KiB, each stamped. */
function recordsOf(line: string): string[] {
  const records: string[] = [];
  for (let rest = `${line}\n`; rest !== ''; rest = rest.slice(16_384)) records.push(stamp + rest.slice(0, 16_384));
  return records;
}

describe('stamps of log lines', () => {
  it('stay once per line', () => {
    const line = fc.oneof(
      fc.stringMatching(/^[ -~]{0,30}$/),
      fc.integer({ min: 16_380, max: 50_000 }).map((length) => 'x'.repeat(length)),
    );
    const record = fc.tuple(fc.constantFrom('stdout' as const, 'stderr' as const), line);
    fc.assert(
      fc.property(fc.array(record, { maxLength: 6 }), fc.integer({ min: 1, max: 40_000 }), (lines, size) => {
        const filter = createStampFilter();
        const read = { stdout: '', stderr: '' };
        const wanted = { stdout: '', stderr: '' };
        for (const [stream, text] of lines) {
          wanted[stream] += `${stamp}${text}\n`;
          const stored = Buffer.from(recordsOf(text).join(''));
          for (let at = 0; at < stored.length; at += size) {
            const chunk: OutputChunk = { stream, data: stored.subarray(at, at + size) };
            read[stream] += filter(chunk).toString();
          }
        }
        assert.deepEqual(read, wanted);
      }),
      { numRuns: 60 },
    );
  });
});
