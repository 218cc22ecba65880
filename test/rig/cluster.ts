// A whole nodelet inside the suite's machine: started as a person would, asked through real kubectl.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CommandResult, run } from '../../host/commands.ts';

const root = join(import.meta.dirname, '../..');
const readyMs = 60_000;

export interface Cluster {
  readonly dataDir: string;
  /** Everything that nodelet printed so far. */
  printed(): string;
  kubectl(...args: string[]): Promise<CommandResult>;
  /** The command line that makes any program a kubectl of this cluster. */
  readonly kubectlEnv: Record<string, string>;
  /** Ctrl-C; resolves with the exit code. */
  interrupt(): Promise<number>;
  kill(): Promise<void>;
}

/** The newest kubectl of the machine: a dispatcher picks one by the server's version, we ask for one by name. */
export function kubectlPath(): string {
  const directory = '/usr/lib/google-cloud-sdk/bin';
  try {
    const names = readdirSync(directory).filter((name) => /^kubectl\.1\.\d+$/.test(name));
    const newest = names.sort((a, b) => Number(a.split('.')[2]) - Number(b.split('.')[2])).at(-1);
    return newest ? join(directory, newest) : 'kubectl';
  } catch {
    return 'kubectl';
  }
}

/** Starts `nodelet up` and resolves when it says ready; throws with all that it printed when it does not. */
export async function startCluster(dataDir: string, flags: readonly string[] = []): Promise<Cluster> {
  await mkdir(dataDir, { recursive: true });
  const child = nodelet([
    'up',
    '--data-dir',
    dataDir,
    '--docker-host',
    `unix://${process.env['NODELET_TEST_DOCKER']}`,
    ...flags,
  ]);
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => output.push(chunk.toString('utf8')));
  const printed = (): string => output.join('');
  const exited = new Promise<number>((resolve) =>
    child.on('close', (code, signal) => resolve(code ?? (signal ? 128 : 1))),
  );
  for (const end = Date.now() + readyMs; !/^ready/m.test(printed()); await sleep(20)) {
    if (child.exitCode !== null || Date.now() > end) {
      child.kill('SIGKILL');
      throw new Error(`nodelet did not become ready:\n${printed()}`);
    }
  }
  const kubectlEnv = { KUBECONFIG: join(dataDir, 'admin.conf'), HOME: join(dataDir, '..', 'home') };
  return {
    dataDir,
    printed,
    kubectlEnv,
    kubectl: (...args) => run(kubectlPath(), args, { env: kubectlEnv, timeoutMs: 90_000 }),
    interrupt: () => {
      child.kill('SIGINT');
      return exited;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Any `nodelet` command, unbuilt. */
export function nodelet(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [join(root, 'cli/main.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Asks again until `look` returns something; throws what it said last when the time is over. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>, withinMs = 30_000): Promise<T> {
  let last: unknown;
  for (const end = Date.now() + withinMs; Date.now() < end; await sleep(100)) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      last = error;
    }
  }
  throw new Error(`not within ${withinMs / 1000} s: ${what}`, { cause: last });
}
