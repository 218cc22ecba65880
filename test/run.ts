// Runs every suite: unit tests in one process, then each integration and e2e file in a machine of its own (a network
// namespace, and a private Docker where the file asks for it). Ends with "N passed, N failed".
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createMachine, type Machine } from './rig/machine.ts';

const root = join(import.meta.dirname, '..');
const suiteLimitMs = 15 * 60_000;
const testLimitMs = 180_000;

interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

const running = new Set<ChildProcess>();
/** Those being made, too: a signal must not leak half of one. */
const machines = new Set<Promise<Machine>>();

/** Runs node's test runner over files and reads its closing lines; a suite that ran no test has failed. */
async function runTests(
  name: string,
  files: readonly string[],
  prefix: readonly string[],
  env: Record<string, string>,
): Promise<Outcome> {
  const startedAt = performance.now();
  const [program = '', ...args] = [
    ...prefix,
    process.execPath,
    '--test',
    '--test-reporter=spec',
    `--test-timeout=${testLimitMs}`,
    ...files,
  ];
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  const timer = setTimeout(() => killGroup(child), suiteLimitMs);
  const code = await new Promise<number>((resolve) => child.on('close', (exit) => resolve(exit ?? 1)));
  clearTimeout(timer);
  killGroup(child);
  running.delete(child);
  const text = Buffer.concat(output).toString('utf8');
  const count = (word: string): number => Number(new RegExp(`^ℹ ${word} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  const passed = count('pass');
  const failed = count('fail') + count('cancelled');
  const broken = code !== 0 || passed === 0 ? Math.max(failed, 1) : failed;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  process.stdout.write(`\n=== ${name}: ${passed} passed, ${broken} failed (${seconds} s)\n`);
  if (broken > 0 || process.env['NODELET_TEST_VERBOSE']) process.stdout.write(text);
  return { passed, failed: broken };
}

/** What a suite leaves running ends with it. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

async function runOnMachine(file: string): Promise<Outcome> {
  const firstLine = readFileSync(join(root, file), 'utf8').split('\n', 1)[0] ?? '';
  const making = createMachine({ docker: firstLine.includes('needs docker') });
  machines.add(making);
  let machine: Machine | undefined;
  try {
    machine = await making;
    return await runTests(file, [file], machine.enter, machine.env);
  } catch (error) {
    process.stdout.write(
      `\n=== ${file}: its machine could not be made\n${error instanceof Error ? error.stack : error}\n`,
    );
    return { passed: 0, failed: 1 };
  } finally {
    await machine?.remove();
    machines.delete(making);
  }
}

async function found(patterns: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const pattern of patterns) for await (const file of glob(pattern, { cwd: root })) files.push(file);
  return files.sort();
}

async function inParallel<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) results.push(await work(item));
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

async function main(wanted: readonly string[]): Promise<number> {
  const all = wanted.length === 0;
  const files = all ? await found(['test/integration/**/*.test.ts', 'test/e2e/**/*.test.ts']) : [...wanted];
  const outcomes = all ? [await runTests('unit', ['test/unit/**/*.test.ts'], [], {})] : [];
  outcomes.push(...(await inParallel(files, Math.min(2, availableParallelism()), runOnMachine)));
  const passed = outcomes.reduce((sum, one) => sum + one.passed, 0);
  const failed = outcomes.reduce((sum, one) => sum + one.failed, 0);
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    for (const child of running) killGroup(child);
    void Promise.allSettled([...machines].map(async (making) => (await making).remove())).then(() => process.exit(1));
  });
}

// A reader that went away must not cost the clean-up.
process.stdout.on('error', () => {});
process.exitCode = await main(process.argv.slice(2));
