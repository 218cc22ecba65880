// Port-forward over SPDY: the caller opens a data and an error stream for each connection; here they find each other.

import { parsePort } from '../rules/stream-options.ts';
import type { SpdyStream } from '../spdy/connection.ts';
import type { ForwardEnds } from './forward.ts';

const pairDeadlineMs = 30_000;

interface Half {
  data?: SpdyStream;
  error?: SpdyStream;
  timer: NodeJS.Timeout;
}

export interface StreamPairs {
  add(stream: SpdyStream): void;
  /** Forgets those that still wait for their other half. */
  close(): void;
}

/** Callers before Kubernetes 1.3 give no request id: their data stream comes right after its error stream. */
function requestId(stream: SpdyStream, type: string): string {
  return stream.headers.get('requestid') || String(type === 'error' ? stream.id : stream.id - 2);
}

/** Tells of each pair when it is whole. A stream that is wrong in itself is reset. */
export function createStreamPairs(onPair: (ends: ForwardEnds) => void): StreamPairs {
  const halves = new Map<string, Half>();

  function expire(id: string, { error, data }: Half): void {
    halves.delete(id);
    void error
      ?.write(Buffer.from('timed out waiting for streams'))
      .then(() => error.end())
      .catch(() => {});
    void data?.reset().catch(() => {});
  }

  return {
    add(stream) {
      const type = stream.headers.get('streamtype') ?? '';
      const port = parsePort(stream.headers.get('port'));
      const id = requestId(stream, type);
      const known = halves.get(id);
      if (port === undefined || (type !== 'data' && type !== 'error') || known?.[type]) {
        return void stream.reset().catch(() => {});
      }
      const half: Half = known ?? { timer: setTimeout(() => expire(id, half), pairDeadlineMs) };
      half[type] = stream;
      halves.set(id, half);
      const { data, error, timer } = half;
      if (!data || !error) return;
      halves.delete(id);
      clearTimeout(timer);
      onPair(pairEnds(data, error, port));
    },
    close() {
      for (const { timer } of halves.values()) clearTimeout(timer);
      halves.clear();
    },
  };
}

function pairEnds(data: SpdyStream, error: SpdyStream, port: number): ForwardEnds {
  error.input.discard();
  return {
    port,
    input: data.input,
    write: (bytes) => data.write(bytes),
    async end() {
      await error.end();
      await data.end();
    },
    fail: (message) => error.write(Buffer.from(message)),
  };
}
