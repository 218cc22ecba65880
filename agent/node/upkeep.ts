// The node's housekeeping: what has ended goes after a minute, images after five, each failure said once per round.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { EventSink } from '../model.ts';

export interface UpkeepParts {
  /** Dead containers, sandboxes and logs. */
  readonly collectDead: (signal: AbortSignal) => Promise<void>;
  /** Images by disk use and age. */
  readonly collectImages: (signal: AbortSignal) => Promise<void>;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: Log;
}

const deadEveryMs = 60_000;
const imagesEveryMs = 300_000;

/** Works until `signal` ends. Never rejects. */
export async function keepHouse(parts: UpkeepParts, signal: AbortSignal): Promise<void> {
  const { events, clock, log } = parts;

  async function every(ms: number, work: (signal: AbortSignal) => Promise<void>, failed: (err: unknown) => void) {
    while (!signal.aborted) {
      await clock.sleep(ms, signal).catch(() => {});
      if (signal.aborted) return;
      await work(signal).catch((err: unknown) => {
        if (!signal.aborted) failed(err);
      });
    }
  }

  const words = (err: unknown): string => (err instanceof Error ? err.message : String(err));
  await Promise.all([
    every(deadEveryMs, parts.collectDead, (err) => {
      log.warn({ err }, 'Dead containers could not be collected');
      events.node({ type: 'Warning', reason: 'ContainerGCFailed', message: words(err) });
    }),
    every(imagesEveryMs, parts.collectImages, (err) => {
      log.warn({ err }, 'Images could not be collected');
      events.node({ type: 'Warning', reason: 'ImageGCFailed', message: words(err) });
    }),
  ]);
}
