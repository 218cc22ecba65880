// When to sync: at once after a quiet time, then no faster than the last sync took, and ever more slowly while it fails.
import type { Clock } from '../host/clock.ts';

export interface Pacer {
  /** Something changed; many calls before the next sync are one. */
  wake(): void;
  /** Syncs when woken, until `signal` ends. Never two syncs at once. */
  run(signal: AbortSignal): Promise<void>;
}

export interface PacerParts {
  readonly sync: (signal: AbortSignal) => Promise<void>;
  readonly onError: (error: unknown, retryInMs: number) => void;
  readonly clock: Clock;
  /** From the end of one sync to the start of the next; 0: twice what the last one took, at least 100 ms. */
  readonly minPauseMs: number;
}

const shortestPauseMs = 100;
const longestRetryMs = 30_000;

export function createPacer({ sync, onError, clock, minPauseMs }: PacerParts): Pacer {
  let woken = Promise.withResolvers<void>();
  let retryMs = shortestPauseMs;

  /** Syncs once; returns how long to wait before the next. */
  async function once(signal: AbortSignal): Promise<number> {
    const startedAt = clock.now();
    woken = Promise.withResolvers();
    try {
      await sync(signal);
      retryMs = shortestPauseMs;
      return minPauseMs || Math.max(shortestPauseMs, 2 * (clock.now() - startedAt));
    } catch (error) {
      if (signal.aborted) return 0;
      woken.resolve();
      onError(error, retryMs);
      const pauseMs = retryMs;
      retryMs = Math.min(retryMs * 2, longestRetryMs);
      return pauseMs;
    }
  }

  return {
    wake: () => woken.resolve(),
    async run(signal) {
      signal.addEventListener('abort', () => woken.resolve(), { once: true });
      while (!signal.aborted) {
        await woken.promise;
        if (signal.aborted) return;
        const pauseMs = await once(signal);
        await clock.sleep(pauseMs, signal).catch(() => {});
      }
    },
  };
}
