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
  /** Which key goes first: negative, `a` does. Left out: first come, first served. */
  readonly order?: (a: string, b: string) => number;
}

export function createWorkQueue(options: QueueOptions): WorkQueue {
  const { clock, signal, firstBackoffMs = 20, lastBackoffMs = 60_000, order } = options;
  const waiting = new Set<string>();
  const working = new Set<string>();
  const again = new Set<string>();
  const failures = new Map<string, number>();
  const later = new Map<string, { dueMs: number; cancel: AbortController }>();
  let wake = Promise.withResolvers<void>();

  function add(key: string): void {
    later.get(key)?.cancel.abort();
    later.delete(key);
    if (working.has(key)) again.add(key);
    else waiting.add(key);
    wake.resolve();
    wake = Promise.withResolvers();
  }

  function addAfter(key: string, milliseconds: number): void {
    const dueMs = clock.now() + milliseconds;
    const known = later.get(key);
    if (waiting.has(key) || again.has(key) || (known && known.dueMs <= dueMs)) return;
    known?.cancel.abort();
    const cancel = new AbortController();
    later.set(key, { dueMs, cancel });
    clock.sleep(milliseconds, AbortSignal.any([signal, cancel.signal])).then(
      () => add(key),
      () => {},
    );
  }

  function first(): string | undefined {
    if (!order) return waiting.values().next().value;
    let best: string | undefined;
    for (const key of waiting) if (best === undefined || order(key, best) < 0) best = key;
    return best;
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
          const key = first();
          if (key !== undefined) {
            waiting.delete(key);
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
    length: () => waiting.size,
  };
}
