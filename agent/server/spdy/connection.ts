// One SPDY/3.1 connection, server side. Kubernetes' peers count no windows: the transport's own pace is the flow control.
import { createInbox, type Inbox } from '../streams/inbox.ts';
import { PeerGone, type Transport } from '../streams/transport.ts';
import {
  createFrameReader,
  encodeDataHead,
  encodeGoAway,
  encodePing,
  encodeRstStream,
  encodeSynReply,
  type Frame,
  rstStatus,
  SpdyError,
} from './frames.ts';
import { createHeaderReader, createHeaderWriter } from './header-blocks.ts';

export interface SpdyStream {
  readonly id: number;
  readonly headers: ReadonlyMap<string, string>;
  /** What the peer sends until it half-closes; throws `PeerGone` after a reset. */
  readonly input: Inbox;
  /** Rejects with `PeerGone` when the peer has reset the stream or is gone. */
  write(data: Buffer): Promise<void>;
  /** Half-closes our side. Repeatable. */
  end(): Promise<void>;
  /** Ends both sides at once. Repeatable. */
  reset(): Promise<void>;
}

export interface SpdyConnection {
  /** Reads until the peer is done, telling of each stream that it opens. Resolves then; rejects with `SpdyError` only. */
  run(onStream: (stream: SpdyStream) => void): Promise<void>;
  /** Aborted when nothing can be sent or will come any more. */
  readonly gone: AbortSignal;
  /** Sends all that is queued, says good-bye, and drops the connection when the peer has read it or after 10 s. */
  close(): Promise<void>;
}

const maxStreams = 1024;
const pieceBytes = 1024 * 1024;
const lingerMs = 10_000;

interface OpenStream extends SpdyStream {
  state: { sent: boolean; received: boolean; dead: boolean };
}

export function createSpdyConnection(transport: Transport): SpdyConnection {
  const reader = createFrameReader();
  const headers = createHeaderReader();
  const replies = createHeaderWriter();
  const streams = new Map<number, OpenStream>();
  const gone = new AbortController();
  const ended = Promise.withResolvers<void>();
  let lastId = 0;
  let closing = false;

  function forgetIfDone(stream: OpenStream): void {
    if (stream.state.dead || (stream.state.sent && stream.state.received)) streams.delete(stream.id);
  }

  function openStream(id: number, names: ReadonlyMap<string, string>): OpenStream {
    const state = { sent: false, received: false, dead: false };
    const stream: OpenStream = {
      id,
      headers: names,
      input: createInbox(),
      state,
      async write(data) {
        if (state.sent || state.dead) throw new PeerGone();
        for (let from = 0; from < data.length; from += pieceBytes) {
          const piece = data.subarray(from, from + pieceBytes);
          await transport.write(encodeDataHead(id, piece.length, { fin: false }), piece);
        }
      },
      async end() {
        if (state.sent || state.dead) return;
        state.sent = true;
        forgetIfDone(stream);
        await transport.write(encodeDataHead(id, 0, { fin: true }));
      },
      async reset() {
        if (state.dead || (state.sent && state.received)) return;
        kill(stream);
        await transport.write(encodeRstStream(id, rstStatus.cancel));
      },
    };
    return stream;
  }

  function kill(stream: OpenStream): void {
    stream.state.dead = true;
    stream.input.fail(new PeerGone());
    forgetIfDone(stream);
  }

  async function accept(frame: Frame & { type: 'synStream' }, onStream: (stream: SpdyStream) => void): Promise<void> {
    // Even a block that we refuse must be inflated: the next one builds on it.
    const names = await headers.read(frame.block);
    if (frame.id % 2 === 0 || frame.id <= lastId) {
      return transport.write(encodeRstStream(frame.id, rstStatus.protocolError));
    }
    lastId = frame.id;
    if (closing || streams.size >= maxStreams) {
      return transport.write(encodeRstStream(frame.id, rstStatus.refusedStream));
    }
    const stream = openStream(frame.id, names);
    streams.set(frame.id, stream);
    if (frame.fin) finishInput(stream);
    await transport.write(encodeSynReply(frame.id, replies.empty()));
    onStream(stream);
  }

  function finishInput(stream: OpenStream): void {
    stream.state.received = true;
    stream.input.end();
    forgetIfDone(stream);
  }

  async function handle(frame: Frame, onStream: (stream: SpdyStream) => void): Promise<void> {
    switch (frame.type) {
      case 'synStream':
        return accept(frame, onStream);
      case 'data': {
        const stream = streams.get(frame.id);
        if (!stream || stream.state.received) return;
        if (!closing) await stream.input.push(frame.data);
        if (frame.fin) finishInput(stream);
        return;
      }
      case 'synReply':
      case 'headers': {
        await headers.read(frame.block);
        const stream = streams.get(frame.id);
        if (stream && frame.fin) finishInput(stream);
        return;
      }
      case 'rstStream': {
        const stream = streams.get(frame.id);
        if (stream) kill(stream);
        return;
      }
      case 'ping':
        // Even ids would be echoes of pings of ours; we send none.
        return frame.id % 2 === 1 ? transport.write(encodePing(frame.id)) : undefined;
      case 'goAway':
      case 'ignored':
        return;
    }
  }

  function leave(): void {
    gone.abort(new PeerGone());
    for (const stream of [...streams.values()]) kill(stream);
    headers.close();
    transport.destroy();
    ended.resolve();
  }

  async function run(onStream: (stream: SpdyStream) => void): Promise<void> {
    try {
      for await (const chunk of transport.input) {
        for (const frame of reader.feed(chunk)) await handle(frame, onStream);
      }
    } catch (error) {
      if (error instanceof SpdyError) throw error;
      if (!(error instanceof PeerGone)) throw error;
    } finally {
      leave();
    }
  }

  async function close(): Promise<void> {
    if (gone.signal.aborted) return;
    closing = true;
    for (const stream of streams.values()) stream.input.discard();
    const linger = setTimeout(leave, lingerMs);
    try {
      // A close with unread input would make the kernel throw away what the peer has not read yet: `run` goes on reading.
      await transport.write(encodeGoAway(lastId));
      transport.end();
      await ended.promise;
    } catch {
      leave();
    } finally {
      clearTimeout(linger);
    }
  }

  return { run, gone: gone.signal, close };
}
