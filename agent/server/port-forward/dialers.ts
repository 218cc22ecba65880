// Keeps a dialer for each network namespace that is being forwarded to, started at the first connection, ended when idle.
import { type ChildProcess, spawn } from 'node:child_process';
import { connect, Socket } from 'node:net';
import { dialerProgram } from './dialer.ts';

export interface Dialers {
  /** A connection to the port on the loopback addresses of the namespace that process `pid` is in; 0: our own namespace. */
  dial(pid: number, port: number): Promise<Socket>;
  stop(): void;
}

interface Dialer {
  dial(port: number): Promise<Socket>;
  stop(): void;
}

interface Answer {
  readonly id?: number;
  readonly error?: string;
}

/** A dialer keeps its namespace alive, and with it the pod's link: it must not outlive the pod for long. */
const watchMs = 250;
/** Half-started for longer than this: something is wrong with the namespace. */
const startMs = 15_000;

export function createDialers(options: { readonly idleMs?: number } = {}): Dialers {
  const { idleMs = 10_000 } = options;
  const running = new Map<number, Dialer>();

  function dialerOf(pid: number): Dialer {
    const known = running.get(pid);
    if (known) return known;
    const made = startDialer(pid, idleMs, () => {
      if (running.get(pid) === made) running.delete(pid);
    });
    running.set(pid, made);
    return made;
  }

  return {
    dial(pid, port) {
      if (pid === 0)
        return dialHere('127.0.0.1', port).catch((first) => dialHere('::1', port).catch(() => Promise.reject(first)));
      // Never 0 or 1 by accident: that would be our own or the host's namespace instead of the pod's.
      if (!Number.isInteger(pid) || pid < 2) return Promise.reject(new Error(`no process ${pid}`));
      return dialerOf(pid).dial(port);
    },
    stop() {
      for (const dialer of running.values()) dialer.stop();
    },
  };
}

function dialHere(host: string, port: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host, port, allowHalfOpen: true });
  socket.once('error', reject);
  socket.once('connect', () => {
    socket.off('error', reject);
    resolve(socket);
  });
  return promise;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function startDialer(pid: number, idleMs: number, onEnd: () => void): Dialer {
  const waiting = new Map<number, PromiseWithResolvers<Socket>>();
  const child: ChildProcess = spawn(
    'nsenter',
    [`--net=/proc/${pid}/ns/net`, '--', process.execPath, '-e', dialerProgram],
    {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin' },
    },
  );
  let nextId = 1;
  let said = '';
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => {});
  let idle = setTimeout(stop, startMs);
  const watch = setInterval(() => {
    if (!isAlive(pid)) stop();
  }, watchMs).unref();

  function stop(): void {
    clearTimeout(idle);
    child.kill('SIGKILL');
  }
  function restAfter(): void {
    clearTimeout(idle);
    if (waiting.size === 0) idle = setTimeout(stop, idleMs).unref();
  }
  function end(why: string): void {
    clearTimeout(idle);
    clearInterval(watch);
    const error = new Error(why);
    ready.reject(error);
    for (const call of waiting.values()) call.reject(error);
    waiting.clear();
    onEnd();
  }

  child.stderr?.on('data', (data: Buffer) => {
    said = (said + data.toString()).slice(-1000);
  });
  child.on('error', (error) => end(error.message));
  child.on('exit', () => end(said.trim() || 'the dialer ended'));
  child.on('message', ({ id, error }: Answer, handle) => {
    if (id === undefined) return ready.resolve();
    const call = waiting.get(id);
    waiting.delete(id);
    restAfter();
    if (handle instanceof Socket && call) {
      // The server's half-close must not close our half: requests may still be on their way.
      handle.allowHalfOpen = true;
      call.resolve(handle);
    } else if (handle instanceof Socket) handle.destroy();
    else call?.reject(new Error(error ?? 'the connection was lost on its way'));
  });

  return {
    stop,
    async dial(port) {
      await ready.promise;
      clearTimeout(idle);
      const id = nextId++;
      const call = Promise.withResolvers<Socket>();
      waiting.set(id, call);
      child.send({ id, port }, (error) => {
        if (!error) return;
        waiting.delete(id);
        call.reject(error);
      });
      return call.promise;
    },
  };
}
