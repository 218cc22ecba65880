// A clock that stands still until a test moves it.
import type { Clock } from '../../host/clock.ts';

export interface FakeClock extends Clock {
  /** Moves time on, waking sleepers in the order of their times; whoever they wake may sleep again within the span. */
  advance(milliseconds: number): Promise<void>;
  /** How many sleep now. */
  sleepers(): number;
}

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** Lets everything that can go on without time do so. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
}

export function createFakeClock(startMs = 1_000_000): FakeClock {
  const sleepers = new Set<Sleeper>();
  let nowMs = startMs;

  function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = (): void => {
        sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const sleeper: Sleeper = {
        atMs: nowMs + milliseconds,
        wake: () => {
          sleepers.delete(sleeper);
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      sleepers.add(sleeper);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  async function advance(milliseconds: number): Promise<void> {
    const untilMs = nowMs + milliseconds;
    await settle();
    for (;;) {
      const next = [...sleepers].sort((a, b) => a.atMs - b.atMs)[0];
      if (!next || next.atMs > untilMs) break;
      nowMs = Math.max(nowMs, next.atMs);
      next.wake();
      await settle();
    }
    nowMs = untilMs;
    await settle();
  }

  return { now: () => nowMs, sleep, advance, sleepers: () => sleepers.size };
}
