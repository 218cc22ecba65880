// The store on SQLite: compare-and-swap, lists at a revision, watches, compaction, and what survives a restart.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { openSqliteStore } from '../../../../controlplane/store/sqlite.ts';
import { CompactedError, FutureRevisionError, type Store } from '../../../../controlplane/store/store.ts';

async function withStore(use: (store: Store, file: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'nodelet-store-'));
  const file = join(directory, 'store.db');
  const store = openSqliteStore(file);
  try {
    await use(store, file);
  } finally {
    await store.close();
    rmSync(directory, { recursive: true });
  }
}

async function put(store: Store, key: string, value: string): Promise<number> {
  const current = await store.get(key);
  const outcome = await store.write(key, current?.modRev ?? 0, value);
  assert.ok(outcome.ok);
  return outcome.rev;
}

test('a key is written only at the revision that the writer knows', () =>
  withStore(async (store) => {
    const first = await put(store, '/a/1', 'one');
    assert.deepEqual(await store.write('/a/1', 0, 'again'), {
      ok: false,
      current: { key: '/a/1', value: 'one', createRev: first, modRev: first },
    });
    assert.deepEqual(await store.write('/a/1', first, 'two'), { ok: true, rev: first + 1 });
    assert.deepEqual(await store.get('/a/1'), { key: '/a/1', value: 'two', createRev: first, modRev: first + 1 });
  }));

test('of writers that come together for one key exactly one wins', () =>
  withStore(async (store) => {
    const outcomes = await Promise.all(Array.from({ length: 16 }, (_, at) => store.write('/a/1', 0, `${at}`)));
    assert.deepEqual(
      outcomes.map(({ ok }) => ok),
      [true, ...Array<boolean>(15).fill(false)],
    );
  }));

test('a list goes on page by page at the revision where it began', () =>
  withStore(async (store) => {
    for (const name of ['a', 'b', 'c', 'd']) await put(store, `/pods/${name}`, name);
    await put(store, '/podsx/z', 'not below the prefix');
    const first = await store.list('/pods/', { limit: 2 });
    assert.deepEqual(
      first.entries.map(({ value }) => value),
      ['a', 'b'],
    );
    assert.equal(first.remaining, 2);
    await put(store, '/pods/c', 'changed');
    const rest = await store.list('/pods/', { rev: first.rev, limit: 2, after: '/pods/b' });
    assert.deepEqual(
      rest.entries.map(({ value }) => value),
      ['c', 'd'],
    );
    assert.equal(rest.remaining, 0);
  }));

test('a watch tells every change below its prefix with what was there before', () =>
  withStore(async (store) => {
    const start = store.rev();
    const watch = store.watch('/pods/', start);
    const one = await put(store, '/pods/a', 'one');
    await put(store, '/nodes/a', 'other');
    const two = await put(store, '/pods/a', 'two');
    await store.write('/pods/a', two, null);
    const entry = { key: '/pods/a', createRev: one };
    assert.deepEqual(watch.read(), [
      { rev: one, key: '/pods/a', value: 'one', before: undefined },
      { rev: two, key: '/pods/a', value: 'two', before: { ...entry, value: 'one', modRev: one } },
      { rev: two + 1, key: '/pods/a', value: null, before: { ...entry, value: 'two', modRev: two } },
    ]);
    assert.equal(watch.rev, two + 1);
    assert.deepEqual(watch.read(), []);
    watch.close();
  }));

test('a watch wakes for its own prefix, and when its signal ends', () =>
  withStore(async (store) => {
    const watch = store.watch('/pods/', store.rev());
    const woken = watch.changed(new AbortController().signal);
    await put(store, '/pods/a', 'one');
    await woken;
    assert.equal(watch.read().length, 1);
    const ending = new AbortController();
    const ended = watch.changed(ending.signal);
    ending.abort();
    await ended;
    assert.deepEqual(watch.read(), []);
  }));

test('after a restart everything acknowledged is there, and watches go on from old revisions', () =>
  withStore(async (store, file) => {
    const one = await put(store, '/pods/a', 'one');
    const two = await put(store, '/pods/a', 'two');
    const again = openSqliteStore(file);
    try {
      assert.equal(again.rev(), two);
      assert.deepEqual(again.watch('/pods/', one).read(), [
        {
          rev: two,
          key: '/pods/a',
          value: 'two',
          before: { key: '/pods/a', value: 'one', createRev: one, modRev: one },
        },
      ]);
    } finally {
      await again.close();
    }
  }));

test('what was compacted is refused, what is current stays', () =>
  withStore(async (store) => {
    const one = await put(store, '/pods/a', 'one');
    const two = await put(store, '/pods/a', 'two');
    await put(store, '/pods/b', 'b');
    await store.compact(two);
    await assert.rejects(store.list('/pods/', { rev: one }), CompactedError);
    assert.throws(() => store.watch('/pods/', one), CompactedError);
    const { entries } = await store.list('/pods/');
    assert.deepEqual(
      entries.map(({ value }) => value),
      ['two', 'b'],
    );
    assert.throws(() => store.watch('/pods/', store.rev() + 1), FutureRevisionError);
  }));

test('a deleted key that was compacted can be created again', () =>
  withStore(async (store) => {
    const one = await put(store, '/pods/a', 'one');
    await store.write('/pods/a', one, null);
    await put(store, '/pods/b', 'b');
    await store.compact(store.rev());
    assert.equal(await store.get('/pods/a'), undefined);
    const before = store.rev();
    assert.equal(await put(store, '/pods/a', 'new'), before + 1);
  }));

test('any history gives what a plain map would give', async () => {
  const step = fc.record({
    key: fc.constantFrom('/k/a', '/k/b', '/k/c'),
    value: fc.option(fc.string({ maxLength: 3 })),
    compact: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) =>
      withStore(async (store) => {
        const model = new Map<string, string>();
        for (const { key, value, compact } of steps) {
          const current = await store.get(key);
          assert.equal(current?.value, model.get(key));
          const outcome = await store.write(key, current?.modRev ?? 0, value);
          if (value !== null) model.set(key, value);
          else assert.equal(outcome.ok, model.delete(key));
          if (compact) await store.compact(store.rev());
        }
        const { entries } = await store.list('/k/');
        assert.deepEqual(new Map(entries.map((entry) => [entry.key, entry.value])), new Map([...model].sort()));
      }),
    ),
    { numRuns: 25 },
  );
});
