// Joins a program's ends to a caller's: all output first, then how it ended.
import type { Engine, EngineStream } from '../../docker/engine.ts';
import type { Outcome } from '../rules/outcome.ts';
import { parseSize, type StreamOptions } from '../rules/stream-options.ts';
import type { RemoteStreams } from './remote.ts';
import { PeerGone } from './transport.ts';

export type CommandEngine = Pick<Engine, 'exec' | 'attach'>;

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Runs a program in a container for the caller. Never rejects: the caller is told. */
export async function runExec(
  engine: CommandEngine,
  containerId: string,
  command: readonly string[],
  options: StreamOptions,
  remote: RemoteStreams,
): Promise<void> {
  await remote.finish(
    await outcomeOf('error executing command in container', async () => {
      const exec = await engine.exec(containerId, { command, ...options }, remote.gone);
      await join(exec, remote);
      const code = await exec.exitCode();
      return code === 0 ? { end: 'success' } : { end: 'exited', code };
    }),
  );
}

/** Joins the caller to a container's own program until it ends. Never rejects. */
export async function runAttach(
  engine: CommandEngine,
  containerId: string,
  options: StreamOptions,
  remote: RemoteStreams,
): Promise<void> {
  const { stdin, stdout, stderr } = options;
  await remote.finish(
    await outcomeOf('error attaching to container', async () => {
      await join(await engine.attach(containerId, { stdin, stdout, stderr }, remote.gone), remote);
      return { end: 'success' };
    }),
  );
}

async function outcomeOf(what: string, act: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await act();
  } catch (error) {
    return { end: 'failed', message: `${what}: ${words(error)}` };
  }
}

/** Resolves when the program's output has ended and was handed over; throws when the caller vanishes. */
async function join(program: EngineStream, remote: RemoteStreams): Promise<void> {
  const drop = (): void => program.close();
  remote.gone.addEventListener('abort', drop);
  if (remote.gone.aborted) drop();
  void feed(program, remote.stdin);
  void resize(program, remote.resizes);
  try {
    for await (const { stream, data } of program.output) {
      await (stream === 'stdout' ? remote.stdout : remote.stderr)?.(data);
    }
    if (remote.gone.aborted) throw new PeerGone();
  } finally {
    remote.gone.removeEventListener('abort', drop);
    program.close();
  }
}

/** Copies input until it ends; a program that stops reading does not stop the caller. */
async function feed({ stdin }: EngineStream, input: AsyncIterable<Buffer> | undefined): Promise<void> {
  let open = stdin !== undefined && input !== undefined;
  stdin?.on('error', () => {
    open = false;
  });
  try {
    for await (const data of input ?? []) {
      if (!open || !stdin) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      stdin.write(data, () => resolve());
      await promise;
    }
  } catch {
    // The caller vanished; `join` closes the program's end.
  }
  stdin?.end();
}

/** Objects may come cut or several at a time: they hold no braces inside, so each closing one ends an object. */
async function resize(program: EngineStream, messages: AsyncIterable<Buffer> | undefined): Promise<void> {
  let held = '';
  try {
    for await (const message of messages ?? []) {
      held = (held + message.toString('utf8')).slice(-1024);
      const objects = held.split('}');
      held = objects.pop() ?? '';
      // Only the newest counts: a storm of sizes costs one call per message at most.
      const size = parseSize(`${objects.at(-1)}}`);
      if (size) await program.resize(size).catch(() => {});
    }
  } catch {
    // The caller left.
  }
}
