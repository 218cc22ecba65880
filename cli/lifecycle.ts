// How a command lives and ends: signals stop it cleanly, errors end it with one line and the right exit code.
import { constants } from 'node:os';

/** Ends the process with `code`; whoever threw it has said why. */
export class ExitError extends Error {
  override readonly name = 'ExitError';
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

const parentPollMs = 1000;
/** All parts have been stopped by then: what still waits (a deadline, a back-off) has nobody left to wait for. */
const lingerMs = 2000;

/** Runs `work` until it ends or a signal asks it to stop. A second signal does not wait. Failures become one line and exit code 1, bad configuration 2. */
export async function runUntilSignal(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(128 + constants.signals[name]);
      stop.abort();
    });
  }
  const watch = stopWithParent(() => stop.abort());
  try {
    await work(stop.signal);
  } catch (error) {
    if (error instanceof ExitError) throw error;
    if (stop.signal.aborted && isAbort(error)) return;
    console.error(`nodelet: ${error instanceof Error ? error.message : String(error)}`);
    throw new ExitError(error instanceof Error && error.name === 'ConfigError' ? 2 : 1);
  } finally {
    clearInterval(watch);
    if (stop.signal.aborted) setTimeout(() => process.exit(), lingerMs).unref();
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.message === 'This operation was aborted');
}

/** npm that was killed outright takes nothing with it: without this, `npm start` could be gone and its port still taken. */
function stopWithParent(stop: () => void): NodeJS.Timeout | undefined {
  if (!process.env['npm_lifecycle_event']) return undefined;
  const parent = process.ppid;
  const timer = setInterval(() => process.ppid !== parent && stop(), parentPollMs);
  timer.unref();
  return timer;
}
