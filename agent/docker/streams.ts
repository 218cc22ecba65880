// Programs' ends over a hijacked connection: exec, attach and logs.
import type { Duplex } from 'node:stream';
import { demux, undivided } from './demux.ts';
import type { Engine, EngineStream, LogQuery } from './engine.ts';
import { EngineError, isNotFound } from './engine.ts';
import { toEngineError } from './errors.ts';
import type { Transport } from './transport.ts';

type StreamMethods = Pick<Engine, 'exec' | 'attach' | 'containerLogs'>;

interface WireExec {
  Running: boolean;
  ExitCode: number | null;
  Pid: number;
}

/** A break of the connection becomes an EngineError; the caller's own close is the end. */
async function* guarded<T>(what: string, source: AsyncIterable<T>, isClosed: () => boolean): AsyncIterable<T> {
  try {
    yield* source;
  } catch (error) {
    if (!isClosed()) throw toEngineError(what, error);
  }
}

export function createStreams(transport: Transport): StreamMethods {
  const flag = (value: boolean): string => (value ? '1' : '0');

  function ends(
    what: string,
    socket: Duplex,
    plan: { tty: boolean; stdin: boolean; resizePath: string },
  ): EngineStream {
    let closed = false;
    socket.once('close', () => {
      closed = closed || socket.errored === null;
    });
    const output = guarded(what, plan.tty ? undivided(socket) : demux(socket), () => closed);
    return {
      output,
      stdin: plan.stdin ? socket : undefined,
      resize: async ({ columns, rows }) => {
        const query = { h: String(rows), w: String(columns) };
        await transport.json({ what: `${what}: resize`, method: 'POST', path: plan.resizePath, query });
      },
      close: () => {
        closed = true;
        socket.destroy();
      },
    };
  }

  const inspectExec = (id: string, signal?: AbortSignal): Promise<WireExec> =>
    transport.json({ what: `Cannot inspect exec "${id}"`, method: 'GET', path: `/exec/${id}/json`, signal });

  return {
    exec: async (id, plan, signal) => {
      const what = `Cannot exec in container "${id}"`;
      const created = await transport.json<{ Id: string }>({
        what,
        method: 'POST',
        path: `/containers/${id}/exec`,
        body: {
          Cmd: plan.command,
          Tty: plan.tty,
          AttachStdin: plan.stdin,
          AttachStdout: plan.stdout,
          AttachStderr: plan.stderr,
        },
        signal,
      });
      const path = `/exec/${created.Id}/start`;
      const body = { Detach: false, Tty: plan.tty };
      const socket = await transport.hijack({ what, method: 'POST', path, body, signal });
      const resizePath = `/exec/${created.Id}/resize`;
      return {
        ...ends(what, socket, { tty: plan.tty, stdin: plan.stdin, resizePath }),
        exitCode: async (waitSignal) => {
          const state = await inspectExec(created.Id, waitSignal);
          if (state.ExitCode !== null && !state.Running) return state.ExitCode;
          throw new EngineError(what, { reason: 'Conflict', detail: 'the program is still running' });
        },
        pid: async () => {
          try {
            const state = await inspectExec(created.Id);
            return state.Running ? state.Pid : 0;
          } catch (error) {
            if (isNotFound(error)) return 0;
            throw error;
          }
        },
      };
    },

    attach: async (id, plan, signal) => {
      const what = `Cannot attach to container "${id}"`;
      const detail = await transport.json<{ Config: { Tty: boolean; OpenStdin: boolean } }>({
        what,
        method: 'GET',
        path: `/containers/${id}/json`,
        signal,
      });
      const query = {
        stream: '1',
        stdin: flag(plan.stdin),
        stdout: flag(plan.stdout),
        stderr: flag(plan.stderr),
      };
      const socket = await transport.hijack({ what, method: 'POST', path: `/containers/${id}/attach`, query, signal });
      return ends(what, socket, { tty: detail.Config.Tty, stdin: plan.stdin, resizePath: `/containers/${id}/resize` });
    },

    containerLogs: async function* (id, query: LogQuery, signal) {
      const what = `Cannot read logs of container "${id}"`;
      const path = `/containers/${id}`;
      const detail = await transport.json<{ Config: { Tty: boolean } }>({
        what,
        method: 'GET',
        path: `${path}/json`,
        signal,
      });
      const body = await transport.stream({
        what,
        method: 'GET',
        path: `${path}/logs`,
        query: {
          stdout: '1',
          stderr: '1',
          follow: flag(query.follow ?? false),
          timestamps: flag(query.timestamps ?? false),
          tail: query.tail === undefined ? 'all' : String(query.tail),
          ...(query.since === undefined ? {} : { since: query.since }),
        },
        signal,
      });
      try {
        yield* guarded(what, detail.Config.Tty ? undivided(body) : demux(body), () => signal.aborted);
      } finally {
        body.destroy();
      }
    },
  };
}
