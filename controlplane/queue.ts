// Keys that wait for work: each at most once, never worked on twice at the same time, slower after each failure.
import type { Clock } from '../host/clock.ts';

export interface WorkQueue {
  /** Work on `key` soon. While it is being worked on, once more afterwards. */
  add(key: string): void;
  /** Work on `key` after a pause; an earlier wish for the same key stays. */
  addAfter(key: string, milliseconds: number): void;
  /** Work on `key` after its back-off, which doubles. */
  retry(key: string): void;
  /** Forget the back-off of `key`: it went well. */
  succeeded(key: string): void;
  /** The next key, held by the caller until `done`. Undefined once `signal` has ended. */
  take(signal: AbortSignal): Promise<string | undefined>;
  done(key: string): void;
  /** How many keys wait for a worker now. */
  length(): number;
}

export interface QueueOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly firstBackoffMs?: number;
  readonly lastBackoffMs?: number;
  /** Keys of a higher rank go first; within a rank, first come, first served. */
  readonly rank?: (key: string) => number;
}

export function createWorkQueue(options: QueueOptions): WorkQueue {
  const { clock, signal, firstBackoffMs = 20, lastBackoffMs = 60_000, rank = () => 0 } = options;
  /** By rank, then in the order of their coming. */
  const waiting = new Map<number, Set<string>>();
  const ranks = new Map<string, number>();
  const working = new Set<string>();
  const again = new Set<string>();
  const failures = new Map<string, number>();
  const later = new Map<string, { dueMs: number; cancel: AbortController }>();
  let wake = Promise.withResolvers<void>();

  function add(key: string): void {
    later.get(key)?.cancel.abort();
    later.delete(key);
    if (working.has(key)) again.add(key);
    else put(key);
    wake.resolve();
    wake = Promise.withResolvers();
  }

  function addAfter(key: string, milliseconds: number): void {
    const dueMs = clock.now() + milliseconds;
    const known = later.get(key);
    if (ranks.has(key) || again.has(key) || (known && known.dueMs <= dueMs)) return;
    known?.cancel.abort();
    const cancel = new AbortController();
    later.set(key, { dueMs, cancel });
    clock.sleep(milliseconds, AbortSignal.any([signal, cancel.signal])).then(
      () => add(key),
      () => {},
    );
  }

  function put(key: string): void {
    if (ranks.has(key)) return;
    const at = rank(key);
    ranks.set(key, at);
    const line = waiting.get(at) ?? new Set();
    waiting.set(at, line.add(key));
  }

  function takeFirst(): string | undefined {
    if (waiting.size === 0) return undefined;
    const at = Math.max(...waiting.keys());
    const line = waiting.get(at);
    const key = line?.values().next().value;
    if (key === undefined) return undefined;
    line?.delete(key);
    ranks.delete(key);
    if (line?.size === 0) waiting.delete(at);
    return key;
  }

  return {
    add,
    addAfter,
    retry: (key) => {
      const failed = failures.get(key) ?? 0;
      failures.set(key, failed + 1);
      addAfter(key, Math.min(firstBackoffMs * 2 ** Math.min(failed, 30), lastBackoffMs));
    },
    succeeded: (key) => {
      failures.delete(key);
    },
    take: async (until) => {
      const ended = Promise.withResolvers<void>();
      const end = (): void => ended.resolve();
      until.addEventListener('abort', end, { once: true });
      try {
        while (!until.aborted) {
          const key = takeFirst();
          if (key !== undefined) {
            working.add(key);
            return key;
          }
          await Promise.race([wake.promise, ended.promise]);
        }
        return undefined;
      } finally {
        until.removeEventListener('abort', end);
      }
    },
    done: (key) => {
      working.delete(key);
      if (again.delete(key)) add(key);
    },
    length: () => ranks.size,
  };
}
