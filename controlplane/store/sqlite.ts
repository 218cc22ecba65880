// The store on node:sqlite: an append-only table of changes, one durable transaction for all writes that wait at the same moment.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { createRing } from './ring.ts';
import {
  CompactedError,
  type Entry,
  FutureRevisionError,
  type Listing,
  type ListRange,
  type Store,
  type StoreEvent,
  type WriteOutcome,
} from './store.ts';

const layout = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA wal_autocheckpoint = 4000;
  PRAGMA cache_size = -32768;
  CREATE TABLE IF NOT EXISTS changes (
    rev INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    value TEXT,
    created INTEGER NOT NULL,
    previous INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX IF NOT EXISTS changes_by_key ON changes (key, rev);
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
`;

/** The newest row of each key of a range as of a revision. */
const newestRows = `
  SELECT key, MAX(rev) AS newest FROM changes WHERE key > ? AND key < ? AND rev <= ? GROUP BY key`;

interface Row {
  readonly rev: number;
  readonly key: string;
  readonly value: string | null;
  readonly created: number;
  readonly previous: number;
}

interface Waiting {
  readonly key: string;
  readonly expectRev: number;
  readonly value: string | null;
  readonly resolve: (outcome: WriteOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Rows per DELETE while compacting, so that no write waits long. */
const compactRows = 2000;
const maxBatch = 512;

const toEntry = (row: Row | undefined): Entry | undefined =>
  row && row.value !== null ? { key: row.key, value: row.value, createRev: row.created, modRev: row.rev } : undefined;

/** The first key that does not start with `prefix`: its last character plus one. */
function endOf(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

function prepareAll(db: DatabaseSync) {
  const prepare = (sql: string): StatementSync => db.prepare(sql);
  return {
    newest: prepare('SELECT rev, key, value, created, previous FROM changes WHERE key = ? ORDER BY rev DESC LIMIT 1'),
    byRev: prepare('SELECT rev, key, value, created, previous FROM changes WHERE rev = ?'),
    since: prepare('SELECT rev, key, value, created, previous FROM changes WHERE rev > ? ORDER BY rev'),
    insert: prepare('INSERT INTO changes (rev, key, value, created, previous) VALUES (?, ?, ?, ?, ?)'),
    list: prepare(`SELECT c.rev, c.key, c.value, c.created, c.previous
      FROM (${newestRows}) n JOIN changes c ON c.rev = n.newest WHERE c.value IS NOT NULL ORDER BY c.key LIMIT ?`),
    count: prepare(`SELECT COUNT(*) AS count
      FROM (${newestRows}) n JOIN changes c ON c.rev = n.newest WHERE c.value IS NOT NULL`),
    lastRev: prepare('SELECT MAX(rev) AS rev FROM changes'),
    fact: prepare('SELECT value FROM facts WHERE name = ?'),
    setFact: prepare(
      'INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    ),
    forget: prepare(`DELETE FROM changes WHERE rev IN (
      SELECT c.rev FROM changes c WHERE c.rev <= ?1 AND (
        (c.value IS NULL AND c.rev < (SELECT MAX(rev) FROM changes))
        OR EXISTS (SELECT 1 FROM changes l WHERE l.key = c.key AND l.rev > c.rev AND l.rev <= ?1)) LIMIT ${compactRows})`),
  };
}

/** Opens (and makes) the database file. Throws where the file cannot be used. */
export function openSqliteStore(file: string): Store {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(file);
  db.exec(layout);
  const sql = prepareAll(db);
  const fact = (name: string): number => (sql.fact.get(name) as { value: number } | undefined)?.value ?? 0;
  // Revision 1 is "nothing written yet": clients take 0 for "any".
  let rev = Math.max((sql.lastRev.get() as { rev: number | null }).rev ?? 1, fact('compacted'), 1);
  let compacted = fact('compacted');
  let closed = false;
  const waiting: Waiting[] = [];
  const ring = createRing(rev);

  const newest = (key: string): Entry | undefined => toEntry(sql.newest.get(key) as Row | undefined);

  function requireKnown(asked: number): void {
    if (asked > rev) throw new FutureRevisionError(asked, rev);
    if (asked < compacted) throw new CompactedError(asked, compacted);
  }

  function list(prefix: string, { rev: asked = rev, limit = -1, after = prefix }: ListRange): Listing {
    requireKnown(asked);
    const start = after > prefix ? after : prefix;
    const rows = sql.list.all(start, endOf(prefix), asked, limit) as unknown as Row[];
    const entries = rows.map((row) => toEntry(row) as Entry);
    const last = entries.at(-1)?.key;
    const full = limit >= 0 && entries.length === limit && last !== undefined;
    const remaining = full ? (sql.count.get(last, endOf(prefix), asked) as { count: number }).count : 0;
    return { entries, rev: asked, remaining };
  }

  function applyOne({ key, expectRev, value }: Waiting, at: number): StoreEvent | Entry | undefined {
    const before = newest(key);
    if ((before?.modRev ?? 0) !== expectRev || (value === null && !before)) return before;
    sql.insert.run(at, key, value, before?.createRev ?? at, before?.modRev ?? 0);
    return { rev: at, key, value, before };
  }

  /** One transaction, one wait for the disk, however many writers came together. */
  function commit(): void {
    const batch = waiting.splice(0, maxBatch);
    if (waiting.length > 0) setImmediate(commit);
    const events: StoreEvent[] = [];
    const answers: (() => void)[] = [];
    try {
      db.exec('BEGIN IMMEDIATE');
      for (const one of batch) {
        const done = applyOne(one, rev + events.length + 1);
        if (done && 'rev' in done) {
          events.push(done);
          answers.push(() => one.resolve({ ok: true, rev: done.rev }));
        } else answers.push(() => one.resolve({ ok: false, current: done }));
      }
      db.exec('COMMIT');
    } catch (error) {
      if (db.isOpen && db.isTransaction) db.exec('ROLLBACK');
      for (const one of batch) one.reject(error);
      return;
    }
    rev = events.at(-1)?.rev ?? rev;
    ring.push(events);
    for (const answer of answers) answer();
  }

  function write(key: string, expectRev: number, value: string | null): Promise<WriteOutcome> {
    if (closed) return Promise.reject(new Error('The store is closed'));
    return new Promise((resolve, reject) => {
      waiting.push({ key, expectRev, value, resolve, reject });
      if (waiting.length === 1) setImmediate(commit);
    });
  }

  /** Changes that the ring no longer has; their predecessors may be compacted away, then they have no `before`. */
  function readSince(prefix: string, fromRev: number): StoreEvent[] {
    const rows = sql.since.all(fromRev) as unknown as Row[];
    return rows
      .filter((row) => row.key.startsWith(prefix))
      .map((row) => ({
        rev: row.rev,
        key: row.key,
        value: row.value,
        before: toEntry(sql.byRev.get(row.previous) as Row | undefined),
      }));
  }

  function watch(prefix: string, fromRev: number) {
    requireKnown(fromRev);
    if (fromRev >= ring.floor()) return ring.watch(prefix, fromRev, []);
    return ring.watch(prefix, rev, readSince(prefix, fromRev));
  }

  async function compact(until: number): Promise<void> {
    const target = Math.min(until, rev);
    if (target <= compacted) return;
    compacted = target;
    sql.setFact.run('compacted', target);
    while (!closed && Number(sql.forget.run(target).changes) === compactRows) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  return {
    get: async (key) => newest(key),
    list: async (prefix, range = {}) => list(prefix, range),
    write,
    watch,
    rev: () => rev,
    compact,
    close: async () => {
      if (closed) return;
      closed = true;
      while (waiting.length > 0) commit();
      db.close();
    },
  };
}
