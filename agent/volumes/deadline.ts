// Waits for something that may hang for ever (a server that does not answer holds every call to its mount), but not for ever.
import type { Clock } from '../../host/clock.ts';

/** Resolves or rejects as `work` does, or rejects with `late()` after `milliseconds`, or as `signal` ends. `work` goes on. */
export async function withDeadline<T>(
  work: Promise<T>,
  { clock, milliseconds, late }: { clock: Clock; milliseconds: number; late: () => Error },
  signal: AbortSignal,
): Promise<T> {
  const ended = new AbortController();
  const deadline = clock.sleep(milliseconds, AbortSignal.any([signal, ended.signal])).then(() => {
    throw late();
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    work.catch(() => {});
    deadline.catch(() => {});
    ended.abort();
  }
}
