import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { withLock } from '../../../host/locks.ts';

const name = `test-${process.pid}`;

test('never two at once, and everybody has a turn', async () => {
  let inside = 0;
  const seen: number[] = [];
  const work = async () => {
    seen.push(++inside);
    await new Promise(setImmediate);
    inside--;
  };
  await Promise.all(Array.from({ length: 10 }, () => withLock(name, work)));
  assert.deepEqual(seen, Array(10).fill(1));
});

test('a failure gives the lock back', async () => {
  await assert.rejects(
    withLock(name, () => {
      throw new Error('no');
    }),
    /no/,
  );
  assert.equal(await withLock(name, () => 'yes'), 'yes');
});

test('a holder that is killed holds nothing', async () => {
  const program = `import { withLock } from '${join(import.meta.dirname, '../../../host/locks.ts')}';
    await withLock('${name}', () => { console.log('held'); return new Promise((resolve) => setTimeout(resolve, 60_000)); });`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  await assert.rejects(
    withLock(name, () => undefined, 20),
    /no turn within 20 ms/,
  );
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  assert.equal(await withLock(name, () => 'mine'), 'mine');
});
