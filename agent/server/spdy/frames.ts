// SPDY/3.1 frames as bytes: written whole, read from any cut of the stream. Knows nothing of sockets or compression.

/** A peer that does not speak SPDY/3, or too much of it. */
export class SpdyError extends Error {
  override readonly name = 'SpdyError';
}

/** Data comes in pieces, as it arrives: `fin` is on the last piece of a frame that carries it. */
export type Frame =
  | { readonly type: 'data'; readonly id: number; readonly data: Buffer; readonly fin: boolean }
  | { readonly type: 'synStream'; readonly id: number; readonly block: Buffer; readonly fin: boolean }
  | { readonly type: 'synReply' | 'headers'; readonly id: number; readonly block: Buffer; readonly fin: boolean }
  | { readonly type: 'rstStream'; readonly id: number; readonly status: number }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goAway' }
  /** SETTINGS, WINDOW_UPDATE, CREDENTIAL and unknown types: no peer of ours counts windows. */
  | { readonly type: 'ignored' };

export const rstStatus = { protocolError: 1, invalidStream: 2, refusedStream: 3, cancel: 5, internalError: 6 } as const;

const version = 3;
const headBytes = 8;
const finFlag = 1;
const maxDataBytes = 0xffffff;
/** Kubernetes' header blocks are below 200 bytes; a block is held whole before it is inflated. */
const maxControlBytes = 64 * 1024;

function control(type: number, flags: number, ...body: Buffer[]): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt16BE(0x8000 | version, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt32BE(
    body.reduce((sum, part) => sum + part.length, 0),
    4,
  );
  head.writeUInt8(flags, 4);
  return Buffer.concat([head, ...body]);
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    bytes.writeUInt32BE(value, i * 4);
  });
  return bytes;
}

export const encodeSynReply = (id: number, block: Buffer): Buffer => control(2, 0, words(id), block);
export const encodeRstStream = (id: number, status: number): Buffer => control(3, 0, words(id, status));
export const encodePing = (id: number): Buffer => control(6, 0, words(id));
export const encodeGoAway = (lastId: number): Buffer => control(7, 0, words(lastId, 0));

/** Only the head: the data follows it unchanged. At most 2^24-1 bytes. */
export function encodeDataHead(id: number, length: number, { fin }: { readonly fin: boolean }): Buffer {
  if (length > maxDataBytes) throw new SpdyError(`Cannot send ${length} bytes in one SPDY frame`);
  const head = words(id, length);
  head.writeUInt8(fin ? finFlag : 0, 4);
  return head;
}

interface FrameReader {
  /** The frames, and pieces of data frames, that `chunk` completes. Throws `SpdyError`. */
  feed(chunk: Buffer): Frame[];
}

/** Reads frames from chunks cut anywhere; holds at most one control frame. */
export function createFrameReader(): FrameReader {
  let held = Buffer.alloc(0);
  let open: { id: number; left: number; fin: boolean } | undefined;

  function takeData(chunk: Buffer, from: { id: number; left: number; fin: boolean }): Frame {
    const data = chunk.subarray(0, from.left);
    from.left -= data.length;
    const last = from.left === 0;
    if (last) open = undefined;
    return { type: 'data', id: from.id, data, fin: last && from.fin };
  }

  function feed(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let rest = held.length > 0 ? Buffer.concat([held, chunk]) : chunk;
    while (rest.length > 0) {
      if (open) {
        const piece = takeData(rest, open);
        frames.push(piece);
        rest = rest.subarray(piece.type === 'data' ? piece.data.length : 0);
        continue;
      }
      if (rest.length < headBytes) break;
      const length = rest.readUIntBE(5, 3);
      const flags = rest.readUInt8(4);
      if ((rest.readUInt8(0) & 0x80) === 0) {
        const data = { id: rest.readUInt32BE(0), left: length, fin: (flags & finFlag) !== 0 };
        rest = rest.subarray(headBytes);
        if (length === 0) frames.push({ type: 'data', id: data.id, data: rest.subarray(0, 0), fin: data.fin });
        else open = data;
        continue;
      }
      if (length > maxControlBytes) throw new SpdyError(`SPDY control frame of ${length} bytes`);
      if (rest.length < headBytes + length) break;
      frames.push(parseControl(rest.subarray(0, headBytes + length), flags));
      rest = rest.subarray(headBytes + length);
    }
    // A copy: the rest of a chunk must not keep the whole chunk alive.
    held = Buffer.from(rest);
    return frames;
  }

  return { feed };
}

const leastBody: ReadonlyMap<number, number> = new Map([
  [1, 10],
  [2, 4],
  [3, 8],
  [6, 4],
  [7, 4],
  [8, 4],
]);

function parseControl(frame: Buffer, flags: number): Frame {
  const spoken = frame.readUInt16BE(0) & 0x7fff;
  if (spoken !== version) throw new SpdyError(`SPDY version ${spoken}`);
  const type = frame.readUInt16BE(2);
  const body = frame.subarray(headBytes);
  const least = leastBody.get(type);
  if (least === undefined) return { type: 'ignored' };
  if (body.length < least) throw new SpdyError(`SPDY frame of type ${type} with ${body.length} bytes`);
  const first = body.readUInt32BE(0);
  const id = first & 0x7fffffff;
  const fin = (flags & finFlag) !== 0;
  switch (type) {
    case 1:
      return { type: 'synStream', id, block: body.subarray(10), fin };
    case 2:
      return { type: 'synReply', id, block: body.subarray(4), fin };
    case 3:
      return { type: 'rstStream', id, status: body.readUInt32BE(4) };
    case 6:
      return { type: 'ping', id: first };
    case 7:
      return { type: 'goAway' };
    default:
      return { type: 'headers', id, block: body.subarray(4), fin };
  }
}
