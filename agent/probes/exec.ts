// Exec probes: a program in the container, and its end by force when it takes too long.
import { readFile } from 'node:fs/promises';
import type { Engine, EngineExec } from '../docker/engine.ts';
import { type Attempt, type Finding, longestOutputBytes } from './model.ts';
import { goDuration } from './rules/go-text.ts';
import { expandCommand } from './rules/ports.ts';

/** A process and all below it, parents first. */
async function processTree(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const children = text.split(' ').filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(children.map(processTree))).flat()];
}

/** The engine cannot end a program that it started with exec, so the host does. */
async function kill(exec: EngineExec): Promise<void> {
  const pid = await exec.pid().catch(() => 0);
  for (const one of pid > 1 ? await processTree(pid) : []) {
    try {
      process.kill(one, 'SIGKILL');
    } catch {
      // It ended by itself in between.
    }
  }
}

/** All output is read, so that the program never blocks on us; only the beginning is kept. */
async function outputOf(exec: EngineExec): Promise<string> {
  const kept: Buffer[] = [];
  let size = 0;
  for await (const { data } of exec.output) {
    if (size < longestOutputBytes) kept.push(data);
    size += data.length;
  }
  return Buffer.concat(kept).subarray(0, longestOutputBytes).toString('utf8');
}

export async function probeExec(
  engine: Pick<Engine, 'exec'>,
  { containerId, container, probe, timeoutMs }: Attempt,
  signal: AbortSignal,
): Promise<Finding> {
  const command = expandCommand(probe.exec?.command ?? [], container);
  const plan = { command, tty: false, stdin: false, stdout: true, stderr: true };
  const exec = await engine.exec(containerId, plan, signal);
  const ended = outputOf(exec).then(async (output): Promise<Finding> => {
    const exitCode = await exec.exitCode(signal);
    return { result: exitCode === 0 ? 'success' : 'failure', output };
  });
  // Whoever loses the race must not be an unhandled rejection.
  ended.catch(() => {});
  const { promise: late, resolve, reject } = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => resolve('late'), timeoutMs);
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  let isOver = false;
  try {
    const first = await Promise.race([ended, late]);
    isOver = first !== 'late';
    if (first !== 'late') return first;
    const words = JSON.stringify(command.join(' '));
    return { result: 'failure', output: `command timed out: ${words} timed out after ${goDuration(timeoutMs)}` };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    if (!isOver) await kill(exec);
    exec.close();
  }
}
