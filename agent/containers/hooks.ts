// Lifecycle hooks: a program in the container, a request to it, or a pause.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from '../../host/clock.ts';
import type { Container, Pod } from '../../kube/types.ts';
import type { Engine } from '../docker/engine.ts';

export type Hook = NonNullable<NonNullable<Container['lifecycle']>['preStop']>;

export interface HookScene {
  readonly containerId: string;
  readonly pod: Pod;
  readonly container: Container;
  /** The pod's address, or the node's for a pod in its network. */
  readonly ip: string;
}

const userAgent = 'kube-lifecycle/1.36';
const longestOutputBytes = 10 * 1024;

/** Runs one hook to its end. Throws with its words when it fails. */
export async function runHook(
  engine: Engine,
  clock: Clock,
  hook: Hook,
  scene: HookScene,
  signal: AbortSignal,
): Promise<void> {
  if (hook.exec) return runCommand(engine, scene.containerId, hook.exec.command ?? [], signal);
  if (hook.httpGet) return get(hook.httpGet, scene, signal);
  if (hook.sleep) return clock.sleep(hook.sleep.seconds * 1000, signal);
  throw new Error('unsupported handler');
}

async function runCommand(engine: Engine, id: string, command: readonly string[], signal: AbortSignal): Promise<void> {
  const plan = { command, tty: false, stdin: false, stdout: true, stderr: true };
  const exec = await engine.exec(id, plan, signal);
  const abort = (): void => exec.close();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const kept: Buffer[] = [];
    let size = 0;
    // All of it is read, so that the program never blocks on us; only the beginning is kept.
    for await (const { data } of exec.output) {
      if (size < longestOutputBytes) kept.push(data);
      size += data.length;
    }
    signal.throwIfAborted();
    const exitCode = await exec.exitCode(signal);
    if (exitCode === 0) return;
    const output = Buffer.concat(kept).toString('utf8').slice(0, longestOutputBytes);
    throw new Error(
      `Exec lifecycle hook (${command.join(' ')}) failed with exit code ${exitCode}, message: ${JSON.stringify(output)}`,
    );
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Any answer is a success, whatever its status says: only silence is a failure. */
function get(action: NonNullable<Hook['httpGet']>, scene: HookScene, signal: AbortSignal): Promise<void> {
  const port = portOf(action.port, scene.container);
  const isHttps = action.scheme?.toUpperCase() === 'HTTPS';
  const headers: Record<string, string> = { 'user-agent': userAgent };
  for (const { name, value } of action.httpHeaders ?? []) headers[name] = value;
  const options = {
    host: action.host || scene.ip,
    port,
    path: action.path || '/',
    headers,
    signal,
    agent: false as const,
  };
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const request = isHttps ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options);
  request.on('error', reject);
  request.on('response', (answer) => {
    answer.destroy();
    resolve();
  });
  request.end();
  return promise;
}

function portOf(port: number | string, container: Container): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find(({ name }) => name === port)?.containerPort ?? Number(port);
  if (!Number.isInteger(named) || named < 1 || named > 65_535)
    throw new Error(`couldn't find port ${JSON.stringify(port)}`);
  return named;
}
