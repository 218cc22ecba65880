// A container engine for tests of the kubelet API: programs are functions of the test.
import { PassThrough, type Writable } from 'node:stream';
import {
  type Engine,
  EngineError,
  type EngineExec,
  type EngineInfo,
  type LogQuery,
  type OutputChunk,
} from '../../../agent/docker/engine.ts';

export interface Program {
  readonly command: readonly string[];
  readonly stdin: AsyncIterable<Buffer>;
  readonly sizes: { columns: number; rows: number }[];
  out(data: string | Buffer): void;
  err(data: string | Buffer): void;
  readonly closed: AbortSignal;
}

/** Returns the exit code. */
export type Behaviour = (program: Program) => Promise<number>;

export interface ScriptedEngine extends Pick<Engine, 'exec' | 'attach' | 'containerLogs' | 'info'> {
  readonly logQueries: { id: string; query: LogQuery }[];
}

interface Started {
  readonly program: EngineExec;
  readonly code: Promise<number>;
}

function start(behaviour: Behaviour, command: readonly string[], options: { stdin: boolean }): Started {
  const chunks: OutputChunk[] = [];
  const input = new PassThrough();
  const closed = new AbortController();
  const sizes: { columns: number; rows: number }[] = [];
  let wake = (): void => {};
  let done = false;
  const say = (stream: OutputChunk['stream']) => (data: string | Buffer) => {
    chunks.push({ stream, data: Buffer.from(data) });
    wake();
  };
  const code = behaviour({
    command,
    stdin: input,
    sizes,
    out: say('stdout'),
    err: say('stderr'),
    closed: closed.signal,
  }).finally(() => {
    done = true;
    wake();
  });
  code.catch(() => {});
  async function* output(): AsyncGenerator<OutputChunk> {
    for (;;) {
      const next = chunks.shift();
      if (next) yield next;
      else if (done || closed.signal.aborted) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  }
  const stdin: Writable | undefined = options.stdin ? input : undefined;
  const program: EngineExec = {
    output: output(),
    stdin,
    resize: async (size) => void sizes.push(size),
    close() {
      closed.abort();
      wake();
    },
    exitCode: () => code,
    pid: async () => 0,
  };
  return { program, code };
}

/** `logs` gives what containerLogs yields; the default is one line. */
export function scriptedEngine(
  behaviour: Behaviour,
  logs: (query: LogQuery, signal: AbortSignal) => AsyncIterable<OutputChunk> = oneLine,
): ScriptedEngine {
  const logQueries: { id: string; query: LogQuery }[] = [];
  return {
    logQueries,
    info: async () => engineInfo,
    async exec(_id, plan) {
      if (plan.command[0] === 'refused') throw new EngineError('Cannot exec', { reason: 'Refused', detail: 'no' });
      return start(behaviour, plan.command, plan).program;
    },
    async attach(_id, plan) {
      return start(behaviour, [], plan).program;
    },
    containerLogs(id, query, signal) {
      logQueries.push({ id, query });
      return logs(query, signal);
    },
  };
}

const engineInfo: EngineInfo = {
  version: '20.10.24',
  apiVersion: '1.41',
  cgroupDriver: 'cgroupfs',
  cgroupVersion: 1,
  dataRoot: '/',
  runtimes: ['runc'],
  defaultLogDriver: 'json-file',
};

async function* oneLine(): AsyncGenerator<OutputChunk> {
  yield { stream: 'stdout', data: Buffer.from('a line\n') };
}
