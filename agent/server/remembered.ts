// Answers worth keeping for a while, each for its own time, the oldest forgotten first when there are too many.
import type { Clock } from '../../host/clock.ts';

export interface Remembered<V> {
  get(key: string): V | undefined;
  set(key: string, value: V, forMs: number): void;
}

export function createRemembered<V>(clock: Pick<Clock, 'now'>, maxEntries = 4096): Remembered<V> {
  const entries = new Map<string, { value: V; untilMs: number }>();
  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      if (entry.untilMs > clock.now()) return entry.value;
      entries.delete(key);
      return undefined;
    },
    set(key, value, forMs) {
      entries.delete(key);
      entries.set(key, { value, untilMs: clock.now() + forMs });
      const [oldest] = entries.keys();
      if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest);
    },
  };
}
