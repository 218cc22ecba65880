// What the server does by itself while it runs: it forgets old revisions, and events after their hour.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Parts } from './context.ts';
import type { Kind } from './kinds/kind.ts';

const compactEveryMs = 5 * 60_000;
const sweepEveryMs = 60_000;

/** Runs until the signal ends. Failures are logged and tried again the next time. */
export function startMaintenance(parts: Parts, signal: AbortSignal): void {
  void repeat(parts, sweepEveryMs, signal, createSweep(parts, signal));
  let before = parts.store.rev();
  void repeat(parts, compactEveryMs, signal, async () => {
    // What was current five minutes ago is what slow readers may still be at.
    await parts.store.compact(before);
    before = parts.store.rev();
  });
}

async function repeat(parts: Parts, everyMs: number, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    // The timer must not keep a process alive that has nothing else to do.
    await sleep(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    await act().catch((error: unknown) => parts.log.warn({ err: error }, 'Maintenance failed'));
  }
}

/** Removes objects of kinds that have a lifetime, counted from their last change. */
function createSweep(parts: Parts, signal: AbortSignal): () => Promise<void> {
  const kinds = parts.kinds.filter((kind) => kind.strategy.ttlSeconds !== undefined);
  const seen = new Map<string, { rev: number; sinceMs: number }>();

  async function sweepKind(kind: Kind, nowMs: number): Promise<void> {
    const ttlMs = (kind.strategy.ttlSeconds ?? 0) * 1000;
    const { entries } = await parts.store.list(kind.prefix);
    const present = new Set(entries.map(({ key }) => key));
    for (const key of seen.keys()) if (!present.has(key)) seen.delete(key);
    for (const { key, modRev, value } of entries) {
      if (signal.aborted) return;
      const known = seen.get(key);
      if (known?.rev === modRev) {
        if (nowMs - known.sinceMs >= ttlMs) await parts.store.write(key, modRev, null);
      } else seen.set(key, { rev: modRev, sinceMs: known ? nowMs : lastChangeMs(value, nowMs) });
    }
  }

  return async () => {
    for (const kind of kinds) await sweepKind(kind, parts.clock.now());
  };
}

/** After a restart the object's own times say how old it is. */
function lastChangeMs(value: string, nowMs: number): number {
  const event = JSON.parse(value) as { lastTimestamp?: string; metadata: { creationTimestamp?: string } };
  const ms = Date.parse(event.lastTimestamp ?? event.metadata.creationTimestamp ?? '');
  return Number.isNaN(ms) ? nowMs : Math.min(ms, nowMs);
}
