// Runs programs of the host: no shell, bounded time, bounded output, bounded input.
import { spawn } from 'node:child_process';

export type CommandFailure = 'NotFound' | 'Failed' | 'TimedOut' | 'TooMuchOutput';

/** A program that could not be run or ended badly. `stderr` holds its own words. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly reason: CommandFailure;
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;

  constructor(
    message: string,
    facts: { reason: CommandFailure; exitCode?: number; stdout?: string; stderr?: string; cause?: unknown },
  ) {
    super(message, { cause: facts.cause });
    this.reason = facts.reason;
    this.exitCode = facts.exitCode;
    this.stdout = facts.stdout ?? '';
    this.stderr = facts.stderr ?? '';
  }
}

export interface CommandOptions {
  readonly input?: string | Buffer;
  /** Default 30 s; the program is killed then. */
  readonly timeoutMs?: number;
  /** Default 64 MiB, both streams together. */
  readonly maxOutputBytes?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `file` with `args` and resolves when it exits with 0; throws `CommandError` otherwise. */
export function run(file: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { input, timeoutMs = 30_000, maxOutputBytes = 64 * 1024 * 1024, env, cwd, signal } = options;
  const what = `Cannot run "${[file, ...args].join(' ').slice(0, 200)}"`;
  const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(env ? { env: { ...process.env, ...env } } : {}),
    ...(cwd ? { cwd } : {}),
    ...(signal ? { signal, killSignal: 'SIGKILL' } : {}),
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  let size = 0;
  let killedFor: CommandFailure | undefined;
  const stop = (reason: CommandFailure): void => {
    killedFor = reason;
    child.kill('SIGKILL');
  };
  const timer = setTimeout(() => stop('TimedOut'), timeoutMs);
  const keep = (into: Buffer[]) => (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxOutputBytes) stop('TooMuchOutput');
    else into.push(chunk);
  };
  child.stdout.on('data', keep(out));
  child.stderr.on('data', keep(err));
  // A program that does not read its input ends before we have written it all; its exit code tells the story.
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  child.on('error', (cause: NodeJS.ErrnoException) => {
    clearTimeout(timer);
    const reason = cause.code === 'ENOENT' ? 'NotFound' : 'Failed';
    reject(signal?.aborted ? signal.reason : new CommandError(`${what}: ${cause.message}`, { reason, cause }));
  });
  child.on('close', (code, killSignal) => {
    clearTimeout(timer);
    const stdout = Buffer.concat(out).toString('utf8');
    const stderr = Buffer.concat(err).toString('utf8');
    if (code === 0 && !killedFor) return resolve({ stdout, stderr });
    const how = killedFor === 'TimedOut' ? `no exit within ${timeoutMs} ms` : `exit ${code ?? killSignal}`;
    const words = stderr.trim().slice(0, 1000);
    reject(
      new CommandError(`${what}: ${how}${words ? `: ${words}` : ''}`, {
        reason: killedFor ?? 'Failed',
        ...(code === null ? {} : { exitCode: code }),
        stdout,
        stderr,
      }),
    );
  });
  return promise;
}
