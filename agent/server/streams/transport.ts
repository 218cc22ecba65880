// What a stream protocol needs of a connection, be it a socket or the messages of a WebSocket.
import type { Duplex } from 'node:stream';

/** The peer vanished, or the connection was closed under a writer. */
export class PeerGone extends Error {
  override readonly name = 'PeerGone';

  constructor(cause?: unknown) {
    super('The peer has gone', { cause });
  }
}

export interface Transport {
  /** Ends when the peer has said all; throws `PeerGone` when it vanished. */
  readonly input: AsyncIterable<Buffer>;
  /** Sends in order. Resolves when the next may be sent: memory stays flat. Rejects with `PeerGone`. */
  write(...parts: readonly Buffer[]): Promise<void>;
  /** Sends what is queued, then closes our side. */
  end(): void;
  destroy(): void;
}

/** Written and not yet taken by the kernel: enough to keep a fast peer busy, little enough to forget. */
const queueBytes = 256 * 1024;

export function socketTransport(socket: Duplex): Transport {
  // The reader and the writers learn of errors by themselves; an event without a listener would end the process.
  socket.on('error', () => {});

  async function* input(): AsyncGenerator<Buffer, void, void> {
    try {
      for await (const chunk of socket.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
    } catch (cause) {
      throw new PeerGone(cause);
    }
  }

  function write(...parts: readonly Buffer[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.cork();
    parts.forEach((part, i) => {
      if (i < parts.length - 1) socket.write(part);
      else socket.write(part, (error) => (error ? reject(new PeerGone(error)) : resolve()));
    });
    socket.uncork();
    if (socket.destroyed || socket.writableLength > queueBytes) return promise;
    promise.catch(() => {});
    return Promise.resolve();
  }

  return {
    input: { [Symbol.asyncIterator]: input },
    write,
    end: () => socket.end(),
    destroy: () => socket.destroy(),
  };
}
