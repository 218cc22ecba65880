// One way to call the engine: dockerode's transport with a deadline, the caller's signal and our errors.
import type { Duplex, Readable } from 'node:stream';
import Docker from 'dockerode';
import { toEngineError } from './errors.ts';

export interface Call {
  /** What could not be done when it fails: `Cannot start container "abc"`. */
  readonly what: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: unknown;
  /** A stream instead of a JSON body. */
  readonly upload?: Readable;
  readonly credentials?: Readonly<Record<string, string>> | undefined;
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Transport {
  /** The parsed JSON answer. */
  json<A>(call: Call): Promise<A>;
  /** The body as it comes. The deadline ends with the headers; `signal` ends the stream. */
  stream(call: Call): Promise<Readable>;
  /** The raw connection, both ways, whose ends close by themselves. */
  hijack(call: Call): Promise<Duplex>;
}

/** docker-modem, as far as we use it; its own types say nothing. */
interface Modem {
  dial(options: Readonly<Record<string, unknown>>, done: (error: unknown, answer: unknown) => void): void;
}

// Longer timers fire at once.
const longestTimerMs = 2 ** 31 - 1;
const defaultDeadlineMs = 120_000;
const statusCodes = { 101: true, 200: true, 201: true, 204: true };

function pathOf(call: Call): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query ?? {})) {
    for (const one of typeof value === 'string' ? [value] : value) query.append(name, one);
  }
  const text = query.toString();
  return text === '' ? call.path : `${call.path}?${text}`;
}

/** Connects lazily to the socket. `apiVersion` is "1.41"; without it the engine takes its newest. */
export function createTransport(socketPath: string, apiVersion?: string): Transport {
  // No `agent`: docker-modem inspects it in full on every request. Node's global one keeps connections alive.
  const docker = new Docker({ socketPath, ...(apiVersion ? { version: `v${apiVersion}` } : {}) });
  const modem = docker.modem as unknown as Modem;

  async function dial<A>(call: Call, how: { isStream?: boolean; hijack?: boolean }): Promise<A> {
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(call.signal?.reason);
    call.signal?.throwIfAborted();
    call.signal?.addEventListener('abort', onAbort, { once: true });
    const deadlineMs = Math.min(call.deadlineMs ?? defaultDeadlineMs, longestTimerMs);
    const timer = setTimeout(() => controller.abort(), deadlineMs);
    const { promise, resolve, reject } = Promise.withResolvers<A>();
    modem.dial(
      {
        path: pathOf(call),
        method: call.method,
        // With these two names docker-modem keeps its hands off query and body.
        options: { _query: {}, _body: call.body ?? {} },
        ...(call.upload ? { file: call.upload } : {}),
        ...(call.credentials ? { authconfig: call.credentials } : {}),
        statusCodes,
        abortSignal: controller.signal,
        ...how,
      },
      (error, answer) => (error ? reject(error) : resolve(answer as A)),
    );
    try {
      const answer = await promise;
      if (how.isStream) endWith(answer as unknown as Readable, call.signal);
      return answer;
    } catch (error) {
      call.signal?.throwIfAborted();
      throw toEngineError(call.what, error);
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener('abort', onAbort);
    }
  }

  return {
    json: (call) => dial(call, {}),
    stream: (call) => dial(call, { isStream: true }),
    hijack: (call) => dial(call, { isStream: true, hijack: true }),
  };
}

/** Ties a stream's life to `signal`. An error nobody reads any more must not end the process. */
function endWith(stream: Readable, signal: AbortSignal | undefined): void {
  stream.on('error', () => {});
  if (!signal) return;
  const destroy = (): void => {
    stream.destroy();
  };
  if (signal.aborted) destroy();
  signal.addEventListener('abort', destroy, { once: true });
  stream.once('close', () => signal.removeEventListener('abort', destroy));
}
