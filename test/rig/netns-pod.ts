// The least that a network needs to call a pod: a process in a network namespace of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { run } from '../../host/commands.ts';

export interface NetnsPod {
  readonly pid: number;
  /** Path of its network namespace. */
  readonly netns: string;
  /** Runs a program in the pod's network. Throws where it ends badly. */
  exec(...command: string[]): Promise<string>;
  /** Starts a program that ends with the pod at the latest. Resolves at its first output. */
  serve(...command: string[]): Promise<void>;
  remove(): Promise<void>;
}

const LIFE_SECONDS = '600';

export async function createNetnsPod(): Promise<NetnsPod> {
  const child = spawn('unshare', ['--net', 'sh', '-c', `echo ready; exec sleep ${LIFE_SECONDS}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const { pid } = child;
  if (pid === undefined) throw new Error('unshare did not start');
  const netns = `/proc/${pid}/ns/net`;
  const servers: { stop(): Promise<void> }[] = [];
  return {
    pid,
    netns,
    async exec(...command) {
      const { stdout } = await run('nsenter', [`--net=${netns}`, '--', ...command], { timeoutMs: 10_000 });
      return stdout.trim();
    },
    async serve(...command) {
      servers.push(await serveIn(netns, ...command));
    },
    async remove() {
      await Promise.all([...servers.map((server) => server.stop()), kill(child)]);
    },
  };
}

/** Starts a program in a network namespace. Resolves at its first output. */
export async function serveIn(netns: string, ...command: string[]): Promise<{ stop(): Promise<void> }> {
  const server = spawn('nsenter', [`--net=${netns}`, '--', ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(server.stdout, 'data');
  return { stop: () => kill(server) };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** A TCP server that answers each connection with the caller's address. Give it to `serve`. */
export function whoAmI(port: number): string[] {
  const program = `require('node:net').createServer((s) => s.end(s.remoteAddress + '\\n')).listen(${port}, '::', () => console.log('listening'))`;
  return [process.execPath, '-e', program];
}

/** Connects and returns what the server says. Give it to `exec`. */
export function ask(address: string, port: number): string[] {
  const program = `const s = require('node:net').connect(${port}, '${address}'); s.setTimeout(3000, () => { console.error('no answer'); process.exit(1); }); s.pipe(process.stdout)`;
  return [process.execPath, '-e', program];
}
