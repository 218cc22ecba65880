// A hand-written SPDY/3.1 client, as moby/spdystream behaves: compresses its headers for real, counts no windows.
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { constants, createDeflate, type Deflate } from 'node:zlib';
import { headerDictionary } from '../../../agent/server/spdy/dictionary.ts';
import { createFrameReader, encodeDataHead, type Frame } from '../../../agent/server/spdy/frames.ts';

export interface ClientStream {
  readonly id: number;
  send(data: string | Buffer): void;
  /** Half-closes. */
  finish(): void;
  reset(): void;
  /** Everything the server sent on this stream, once it half-closed, reset it, or the connection ended. */
  received(): Promise<Buffer>;
  readonly wasReset: () => boolean;
  /** What has come so far. */
  soFar(): Buffer;
  pieces: Buffer[];
}

export interface SpdyClient {
  open(headers: Readonly<Record<string, string>>): Promise<ClientStream>;
  ping(id: number): void;
  /** Frames that belong to no stream. */
  readonly frames: Frame[];
  readonly socket: Duplex;
  readonly ended: Promise<void>;
}

function control(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x8003, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}

export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const number = (n: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(n);
    return bytes;
  };
  const text = (s: string): Buffer[] => [number(Buffer.byteLength(s)), Buffer.from(s)];
  const pairs = Object.entries(headers);
  return Buffer.concat([number(pairs.length), ...pairs.flatMap(([name, value]) => [...text(name), ...text(value)])]);
}

/** Deflates blocks as one stream, each flushed. */
export function headerDeflater(): (plain: Buffer) => Promise<Buffer> {
  const deflate: Deflate = createDeflate({ dictionary: headerDictionary });
  return async (plain) => {
    const pieces: Buffer[] = [];
    const collect = (piece: Buffer): void => void pieces.push(piece);
    deflate.on('data', collect);
    deflate.write(plain);
    await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, () => setImmediate(resolve)));
    deflate.off('data', collect);
    return Buffer.concat(pieces);
  };
}

export function synStream(id: number, block: Buffer): Buffer {
  const head = Buffer.alloc(10);
  head.writeUInt32BE(id);
  return control(1, Buffer.concat([head, block]));
}

/** Speaks SPDY over any byte stream. */
export function spdyClient(socket: Duplex): SpdyClient {
  const reader = createFrameReader();
  const compress = headerDeflater();
  const streams = new Map<number, { pieces: Buffer[]; done: PromiseWithResolvers<void>; reset: boolean }>();
  const frames: Frame[] = [];
  const ended = Promise.withResolvers<void>();
  let nextId = 1;
  let order = Promise.resolve();

  socket.on('error', () => {});
  socket.on('close', () => {
    ended.resolve();
    for (const stream of streams.values()) stream.done.resolve();
  });
  socket.on('end', () => socket.end());
  socket.on('data', (chunk: Buffer) => {
    for (const frame of reader.feed(chunk)) {
      const stream = 'id' in frame && frame.type !== 'ping' ? streams.get(frame.id) : undefined;
      if (!stream) frames.push(frame);
      else if (frame.type === 'data') {
        stream.pieces.push(Buffer.from(frame.data));
        if (frame.fin) stream.done.resolve();
      } else if (frame.type === 'rstStream') {
        stream.reset = true;
        stream.done.resolve();
      } else frames.push(frame);
    }
  });

  return {
    frames,
    socket,
    ended: ended.promise,
    ping(id) {
      const body = Buffer.alloc(4);
      body.writeUInt32BE(id);
      socket.write(control(6, body));
    },
    async open(headers) {
      const id = nextId;
      nextId += 2;
      const state = { pieces: [] as Buffer[], done: Promise.withResolvers<void>(), reset: false };
      streams.set(id, state);
      order = order.then(async () => {
        socket.write(synStream(id, await compress(headerBlock(headers))));
      });
      await order;
      return {
        id,
        pieces: state.pieces,
        send(data) {
          const bytes = Buffer.from(data);
          socket.write(Buffer.concat([encodeDataHead(id, bytes.length, { fin: false }), bytes]));
        },
        finish: () => void socket.write(encodeDataHead(id, 0, { fin: true })),
        reset() {
          const body = Buffer.alloc(8);
          body.writeUInt32BE(id);
          body.writeUInt32BE(5, 4);
          socket.write(control(3, body));
        },
        async received() {
          await state.done.promise;
          return Buffer.concat(state.pieces);
        },
        wasReset: () => state.reset,
        soFar: () => Buffer.concat(state.pieces),
      };
    },
  };
}

export interface UpgradeAnswer {
  readonly code: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly socket: Duplex | undefined;
}

/** Asks for an upgrade to SPDY/3.1; the answer has a socket when the server agreed. */
export function upgradeToSpdy(options: RequestOptions, protocols: string): Promise<UpgradeAnswer> {
  return new Promise((resolve, reject) => {
    const req = httpsRequest({
      method: 'POST',
      ...options,
      agent: false,
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'SPDY/3.1',
        ...(protocols === '' ? {} : { 'X-Stream-Protocol-Version': protocols }),
        ...(options.headers as Record<string, string> | undefined),
      },
    });
    req.on('error', reject);
    req.on('upgrade', (res, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve({ code: res.statusCode ?? 0, headers: res.headers, body: '', socket });
    });
    req.on('response', (res) => {
      const pieces: Buffer[] = [];
      res.on('data', (piece: Buffer) => pieces.push(piece));
      res.on('end', () =>
        resolve({
          code: res.statusCode ?? 0,
          headers: res.headers,
          body: Buffer.concat(pieces).toString(),
          socket: undefined,
        }),
      );
    });
    req.end();
  });
}
