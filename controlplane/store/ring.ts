// The last changes in memory, from which every watcher reads at its own pace. Bounded by count and by bytes.
import { CompactedError, type StoreEvent, type StoreWatch } from './store.ts';

export interface Ring {
  /** Adds changes in order of revision and wakes the watchers whose prefix they touch. */
  push(events: readonly StoreEvent[]): void;
  /** Every change after this revision is in the ring. */
  floor(): number;
  /** `earlier` are the changes between `fromRev` and the ring's floor, read from disk. */
  watch(prefix: string, fromRev: number, earlier: readonly StoreEvent[]): StoreWatch;
}

interface Watcher {
  readonly prefix: string;
  wake: () => void;
}

export interface RingBounds {
  readonly events: number;
  readonly bytes: number;
}

const sizeOf = (event: StoreEvent): number =>
  2 * (event.key.length + (event.value?.length ?? 0) + (event.before?.value.length ?? 0));

/** An empty ring that begins after revision `startRev`. */
export function createRing(startRev: number, bounds: RingBounds = { events: 20_000, bytes: 128 << 20 }): Ring {
  let events: StoreEvent[] = [];
  let floor = startRev;
  let head = startRev;
  let bytes = 0;
  const watchers = new Set<Watcher>();

  function trim(): void {
    let drop = 0;
    while (events.length - drop > bounds.events || (bytes > bounds.bytes && drop < events.length - 1)) {
      const event = events[drop++] as StoreEvent;
      bytes -= sizeOf(event);
      floor = event.rev;
    }
    if (drop > 0) events = events.slice(drop);
  }

  /** The position of the first event after `rev`; events are sorted by revision. */
  function firstAfter(rev: number): number {
    let low = 0;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((events[middle] as StoreEvent).rev <= rev) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function watch(prefix: string, fromRev: number, earlier: readonly StoreEvent[]): StoreWatch {
    let rev = fromRev;
    let pending = earlier;
    const watcher: Watcher = { prefix, wake: () => undefined };
    watchers.add(watcher);

    function read(): readonly StoreEvent[] {
      const first = pending;
      pending = [];
      if (rev < floor) throw new CompactedError(rev, floor);
      const fresh = events.slice(firstAfter(rev)).filter((event) => event.key.startsWith(prefix));
      rev = head;
      return first.length > 0 ? [...first, ...fresh] : fresh;
    }

    async function changed(signal: AbortSignal): Promise<void> {
      if (signal.aborted || pending.length > 0 || hasNews(prefix, rev)) return;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          signal.removeEventListener('abort', done);
          watcher.wake = () => undefined;
          resolve();
        };
        watcher.wake = done;
        signal.addEventListener('abort', done);
      });
    }

    return {
      read,
      changed,
      get rev() {
        return rev;
      },
      close: () => watchers.delete(watcher),
    };
  }

  function hasNews(prefix: string, rev: number): boolean {
    if (rev < floor) return true;
    for (let at = firstAfter(rev); at < events.length; at++) {
      if (events[at]?.key.startsWith(prefix)) return true;
    }
    return false;
  }

  function push(batch: readonly StoreEvent[]): void {
    for (const event of batch) {
      events.push(event);
      bytes += sizeOf(event);
      head = event.rev;
    }
    trim();
    for (const watcher of watchers) {
      if (batch.some((event) => event.key.startsWith(watcher.prefix))) watcher.wake();
    }
  }

  return { push, watch, floor: () => floor };
}
