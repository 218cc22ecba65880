// How long to leave a registry alone after a failure: per pod and image, doubling, forgotten after a quiet time.
import type { Clock } from '../../host/clock.ts';

const firstMs = 10_000;
const lastMs = 300_000;
const forgetAfterMs = 600_000;

interface Entry {
  readonly delayMs: number;
  readonly untilMs: number;
  readonly because: string;
}

export interface PullBackOff {
  /** The wait that is still on, with the failure that began it. */
  current(key: string): { untilMs: number; because: string } | undefined;
  /** Returns when to try again. */
  failed(key: string, because: string): number;
  succeeded(key: string): void;
}

export function createPullBackOff(clock: Clock): PullBackOff {
  const entries = new Map<string, Entry>();
  const forget = (): void => {
    for (const [key, entry] of entries) if (clock.now() - entry.untilMs > forgetAfterMs) entries.delete(key);
  };
  return {
    current: (key) => {
      const entry = entries.get(key);
      return entry && clock.now() < entry.untilMs ? entry : undefined;
    },
    failed: (key, because) => {
      forget();
      const delayMs = Math.min((entries.get(key)?.delayMs ?? firstMs / 2) * 2, lastMs);
      const untilMs = clock.now() + delayMs;
      entries.set(key, { delayMs, untilMs, because });
      return untilMs;
    },
    succeeded: (key) => {
      entries.delete(key);
    },
  };
}
