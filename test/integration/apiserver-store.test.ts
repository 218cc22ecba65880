// The store against SIGKILL: what was acknowledged is there, whatever the moment.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSqliteStore } from '../../controlplane/store/sqlite.ts';

const sqlite = join(import.meta.dirname, '../../controlplane/store/sqlite.ts');
/** Sixteen writers that say each key once the store has acknowledged it. */
const writer = `
  const { openSqliteStore } = await import(process.argv[1]);
  const store = openSqliteStore(process.argv[2]);
  const round = process.argv[3];
  await Promise.all(Array.from({ length: 16 }, async (_, client) => {
    for (let at = 0; ; at++) {
      const key = '/k/' + [round, client, at].join('-');
      const outcome = await store.write(key, 0, key);
      if (outcome.ok) process.stdout.write(key + '\\n');
    }
  }));
`;

async function killedAfter(acknowledgements: number, file: string, round: number): Promise<string[]> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', writer, sqlite, file, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (text.split('\n').length > acknowledgements) child.kill('SIGKILL');
  });
  await once(child, 'close');
  // The last line may be torn; what it would have said is not known to anybody.
  return text.split('\n').slice(0, -1);
}

test('no acknowledged write is lost by kill -9, and the store opens again', async () => {
  const directory = await mkdtemp(join(process.env['NODELET_TEST_DIR'] ?? tmpdir(), 'store-'));
  try {
    const file = join(directory, 'store.db');
    const acknowledged: string[] = [];
    for (let round = 0; round < 6; round++) {
      acknowledged.push(...(await killedAfter(1 + 70 * round, file, round)));
      const store = openSqliteStore(file);
      const { entries } = await store.list('/k/');
      const kept = new Set(entries.map(({ key }) => key));
      assert.deepEqual(
        acknowledged.filter((key) => !kept.has(key)),
        [],
      );
      await store.close();
    }
    assert.ok(acknowledged.length > 1000);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
