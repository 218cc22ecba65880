// Speaks the CNI protocol: environment and stdin in, JSON on stdout out. Ours is called, others are run as processes.
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';

export interface CniCall {
  readonly command: 'ADD' | 'DEL' | 'GC';
  readonly containerId: string;
  readonly netns: string;
  readonly ifName: string;
  readonly args: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** Answers a result (ADD) or nothing. Throws on any failure. */
export type CniPlugin = (call: CniCall, signal?: AbortSignal) => Promise<unknown>;

/** A plugin that failed or did not behave. `message` is its own words where it had any. */
export class PluginError extends Error {
  override readonly name = 'PluginError';
  readonly plugin: string;
  readonly code: number | undefined;
  readonly stderr: string;

  constructor(plugin: string, message: string, facts: { code?: number; stderr?: string; cause?: unknown } = {}) {
    super(`plugin type="${plugin}" failed: ${message}`, { cause: facts.cause });
    this.plugin = plugin;
    this.code = facts.code;
    this.stderr = facts.stderr ?? '';
  }
}

const TIMEOUT_MS = 220_000;
const STREAMS_CLOSE_MS = 1000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;

/** A plugin of `binDir`, as a process per call. */
export function processPlugin(type: string, binDir: string, timeoutMs = TIMEOUT_MS): CniPlugin {
  return async (call, signal) => {
    const file = join(binDir, type);
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
      throw new PluginError(type, `failed to find plugin "${type}" in path [${binDir}]`);
    }
    const { exitCode, stdout, stderr } = await runPlugin(type, file, call, binDir, timeoutMs, signal);
    const answer = parseAnswer(stdout);
    const failure = failureOf(answer);
    if (failure) throw new PluginError(type, failure.words, { code: failure.code, stderr });
    if (exitCode !== 0)
      throw new PluginError(type, `exit ${exitCode}: ${(stderr || stdout).trim().slice(0, 1000)}`, { stderr });
    if (call.command === 'ADD' && answer === undefined)
      throw new PluginError(type, 'its answer is not JSON', { stderr });
    return answer;
  };
}

interface Ended {
  readonly exitCode: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** In an own process group: a plugin that hangs goes with all that it has started, and no child of it can keep us waiting. */
function runPlugin(
  type: string,
  file: string,
  call: CniCall,
  binDir: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Ended> {
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const child = spawn(file, [], { stdio: ['pipe', 'pipe', 'pipe'], detached: true, env: environment(call, binDir) });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  let size = 0;
  const killGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  };
  const fail = (error: unknown): void => {
    killGroup();
    reject(error);
  };
  const keep = (into: Buffer[]) => (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_OUTPUT_BYTES) fail(new PluginError(type, `more than ${MAX_OUTPUT_BYTES} bytes of output`));
    else into.push(chunk);
  };
  const timer = setTimeout(() => fail(new PluginError(type, `no answer within ${timeoutMs} ms`)), timeoutMs);
  const onAbort = (): void => fail(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  child.stdout.on('data', keep(out));
  child.stderr.on('data', keep(err));
  child.stdin.on('error', () => {});
  child.stdin.end(JSON.stringify(call.config));
  child.on('error', (cause) => fail(new PluginError(type, cause.message, { cause })));
  let ended: NodeJS.Timeout | undefined;
  child.on('exit', (code, killedBy) => {
    const finish = (): void => resolve({ exitCode: code ?? String(killedBy), stdout: text(out), stderr: text(err) });
    child.on('close', finish);
    // A daemon that the plugin left behind may keep the streams open for ever.
    ended = setTimeout(finish, STREAMS_CLOSE_MS);
  });
  return promise.finally(() => {
    clearTimeout(timer);
    clearTimeout(ended);
    signal?.removeEventListener('abort', onAbort);
    child.stdout.destroy();
    child.stderr.destroy();
  });
}

function text(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}

function environment(call: CniCall, binDir: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    CNI_COMMAND: call.command,
    CNI_CONTAINERID: call.containerId,
    CNI_NETNS: call.netns,
    CNI_IFNAME: call.ifName,
    CNI_ARGS: call.args,
    CNI_PATH: binDir,
  };
}

function parseAnswer(stdout: string): unknown {
  try {
    return JSON.parse(stdout);
  } catch {
    return undefined;
  }
}

/** A plugin may exit with 0 and still answer with an error. */
function failureOf(answer: unknown): { code: number; words: string } | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const { code, msg, details } = answer as { code?: unknown; msg?: unknown; details?: unknown };
  if (typeof code !== 'number' || code === 0) return undefined;
  return { code, words: [msg, details].filter((part) => typeof part === 'string' && part !== '').join('; ') };
}
