// exec and attach over SPDY: the caller opens one stream for each of error, stdin, stdout, stderr and resize.
import { renderOutcome } from '../rules/outcome.ts';
import type { StreamOptions } from '../rules/stream-options.ts';
import { createSpdyConnection, type SpdyConnection, type SpdyStream } from '../spdy/connection.ts';
import type { RemoteStreams } from './remote.ts';
import type { Transport } from './transport.ts';

const streamsDeadlineMs = 30_000;

function expected(options: StreamOptions, protocol: string): ReadonlySet<string> {
  const types = new Set(['error']);
  if (options.stdin) types.add('stdin');
  if (options.stdout) types.add('stdout');
  if (options.stderr) types.add('stderr');
  if (options.tty && /^v[34]\./.test(protocol)) types.add('resize');
  return types;
}

/** Undefined where the caller went away or did not open its streams within 30 s; the connection is closed then. */
export async function acceptSpdyCommand(
  transport: Transport,
  options: StreamOptions,
  protocol: string,
  onError: (error: unknown) => void,
): Promise<RemoteStreams | undefined> {
  const wanted = expected(options, protocol);
  const streams = new Map<string, SpdyStream>();
  const { promise: complete, resolve } = Promise.withResolvers<boolean>();
  const connection = createSpdyConnection(transport);
  const timer = setTimeout(resolve, streamsDeadlineMs, false);
  connection.gone.addEventListener('abort', () => resolve(false));
  connection
    .run((stream) => {
      const type = stream.headers.get('streamtype') ?? '';
      if (!wanted.has(type) || streams.has(type)) return stream.input.discard();
      streams.set(type, stream);
      if (streams.size === wanted.size) resolve(true);
    })
    .catch(onError);
  const ready = await complete;
  clearTimeout(timer);
  if (ready) return remoteStreams(connection, streams, protocol);
  await connection.close();
  return undefined;
}

function remoteStreams(
  connection: SpdyConnection,
  streams: ReadonlyMap<string, SpdyStream>,
  protocol: string,
): RemoteStreams {
  const writer = (type: string) => {
    const stream = streams.get(type);
    return stream && ((data: Buffer) => stream.write(data));
  };
  async function finish(outcome: Parameters<RemoteStreams['finish']>[0]): Promise<void> {
    const text = renderOutcome(outcome, protocol);
    try {
      await Promise.all(['stdout', 'stderr'].map((type) => streams.get(type)?.end()));
      if (text !== '') await streams.get('error')?.write(Buffer.from(text));
      await Promise.all([...streams.values()].map((stream) => stream.end()));
    } catch {
      // The caller went away in the middle of our last words; closing is all that is left.
    }
    await connection.close();
  }
  return {
    stdin: streams.get('stdin')?.input,
    resizes: streams.get('resize')?.input,
    stdout: writer('stdout'),
    stderr: writer('stderr'),
    finish,
    gone: connection.gone,
  };
}
