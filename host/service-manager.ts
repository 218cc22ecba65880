// Speaks to systemd, where it started us: that we are ready, that we live, that we stop. And how a process is called in `ps`.
import { writeFileSync } from 'node:fs';
import { run } from './commands.ts';

export interface ServiceManager {
  /** Says READY=1 and from then on that the event loop turns, as often as the unit's WatchdogSec asks. */
  ready(): Promise<void>;
  stopping(): Promise<void>;
}

/** What nobody listens to is not said. Takes the variables away, so that children do not speak for us. */
export function openServiceManager(env: NodeJS.ProcessEnv = process.env): ServiceManager {
  const socket = env['NOTIFY_SOCKET'];
  const forUs = (env['WATCHDOG_PID'] ?? String(process.pid)) === String(process.pid);
  const watchdogMs = forUs ? Number(env['WATCHDOG_USEC'] ?? 0) / 1000 : 0;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_PID', 'WATCHDOG_USEC']) delete env[name];
  if (!socket) return { ready: async () => {}, stopping: async () => {} };
  // Node speaks no datagrams of the unix family; systemd's own tool does.
  const say = async (...words: string[]): Promise<void> => {
    await run('systemd-notify', words, { env: { NOTIFY_SOCKET: socket } });
  };
  let beat: NodeJS.Timeout | undefined;
  return {
    ready: async () => {
      await say('--ready');
      // A word that gets lost once is made up for: two are due within the time that systemd waits.
      if (watchdogMs > 0) beat = setInterval(() => say('WATCHDOG=1').catch(() => {}), watchdogMs / 3);
      beat?.unref();
    },
    stopping: async () => {
      clearInterval(beat);
      await say('STOPPING=1').catch(() => {});
    },
  };
}

/** The name that `ps -C` knows: Node calls its main thread otherwise. At most 15 bytes; the command line stays as it is. */
export function nameProcess(name: string): void {
  try {
    writeFileSync('/proc/self/comm', name);
  } catch {
    // A machine without a writable /proc shows another name; nothing depends on it.
  }
}
