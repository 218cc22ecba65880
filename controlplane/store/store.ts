// What the API server needs of a store: one revision for everything, compare-and-swap, lists at a revision, changes since a revision.

/** A stored value. `modRev` is the revision that wrote it, `createRev` the one that created its key. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly createRev: number;
  readonly modRev: number;
}

/** One change. `value` is null for a deletion; `before` is what the key held until then. Shared by all watchers: never alter one. */
export interface StoreEvent {
  readonly rev: number;
  readonly key: string;
  readonly value: string | null;
  readonly before: Entry | undefined;
}

export interface ListRange {
  /** Read as of this revision; absent: now. */
  readonly rev?: number;
  readonly limit?: number;
  /** Only keys that sort after this one. */
  readonly after?: string;
}

export interface Listing {
  readonly entries: readonly Entry[];
  readonly rev: number;
  /** How many keys of the prefix follow the last entry. */
  readonly remaining: number;
}

export type WriteOutcome =
  | { readonly ok: true; readonly rev: number }
  | { readonly ok: false; readonly current: Entry | undefined };

/** A place in the stream of changes below one prefix. Holds no queue: one that reads too slowly meets `CompactedError`. */
export interface StoreWatch {
  /** The changes since the last call, oldest first, possibly none. Throws `CompactedError`. */
  read(): readonly StoreEvent[];
  /** Everything up to this revision has been read. */
  readonly rev: number;
  /** Resolves when there may be something to read, or when the signal ends. Never rejects. */
  changed(signal: AbortSignal): Promise<void>;
  close(): void;
}

export interface Store {
  get(key: string): Promise<Entry | undefined>;
  /** Entries whose key starts with `prefix`, sorted by key. Throws `CompactedError` and `FutureRevisionError`. */
  list(prefix: string, range?: ListRange): Promise<Listing>;
  /** Writes when the key is at `expectRev` (0: does not exist). null deletes. Resolves only when the change is on disk. */
  write(key: string, expectRev: number, value: string | null): Promise<WriteOutcome>;
  /** Changes after `fromRev`. Throws `CompactedError` and `FutureRevisionError`. */
  watch(prefix: string, fromRev: number): StoreWatch;
  /** The revision of the last change. */
  rev(): number;
  /** Forgets what was overwritten or deleted at or before `rev`. */
  compact(rev: number): Promise<void>;
  close(): Promise<void>;
}

/** The revision asked for has been forgotten. */
export class CompactedError extends Error {
  override readonly name = 'CompactedError';
  readonly compactedRev: number;

  constructor(asked: number, compactedRev: number) {
    super(`Revision ${asked} has been compacted; the oldest is ${compactedRev}`);
    this.compactedRev = compactedRev;
  }
}

/** The revision asked for has not been reached. */
export class FutureRevisionError extends Error {
  override readonly name = 'FutureRevisionError';
  readonly current: number;

  constructor(asked: number, current: number) {
    super(`Revision ${asked} is ahead of the store, which is at ${current}`);
    this.current = current;
  }
}
