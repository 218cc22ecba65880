// Pods for which no node will do now: called again when something changed that could help, each at its own growing pace.
import type { Clock } from '../../host/clock.ts';
import type { WorkQueue } from '../queue.ts';

export interface WaitingRoom {
  /** One more attempt has failed. */
  enter(key: string): void;
  /** It has a node, or is gone. */
  leave(key: string): void;
  /** Try this one again, not before its pause is over. */
  call(key: string): void;
  /** Try again those for which `which` holds; left out: all. */
  callAll(which?: (key: string) => boolean): void;
}

const firstPauseMs = 1_000;
const lastPauseMs = 10_000;
/** Should a change go unnoticed, nobody waits for ever. */
const longestWaitMs = 5 * 60_000;

export function createWaitingRoom(queue: WorkQueue, clock: Clock): WaitingRoom {
  const attempts = new Map<string, { count: number; lastMs: number }>();

  function call(key: string): void {
    const known = attempts.get(key);
    if (!known) return;
    const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(known.count - 1, 10), lastPauseMs);
    queue.addAfter(key, Math.max(0, known.lastMs + pauseMs - clock.now()));
  }

  return {
    enter: (key) => {
      attempts.set(key, { count: (attempts.get(key)?.count ?? 0) + 1, lastMs: clock.now() });
      queue.addAfter(key, longestWaitMs);
    },
    leave: (key) => {
      attempts.delete(key);
    },
    call,
    callAll: (which = () => true) => {
      for (const key of attempts.keys()) if (which(key)) call(key);
    },
  };
}
