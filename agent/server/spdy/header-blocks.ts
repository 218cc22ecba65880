// SPDY/3 header blocks: names and values, compressed as one stream per direction for the whole life of a connection.
import { constants, createInflate } from 'node:zlib';
import { dictionaryAdler32, headerDictionary } from './dictionary.ts';
import { SpdyError } from './frames.ts';

/** What one block may grow to: a small block can inflate a thousandfold. */
const maxInflatedBytes = 64 * 1024;
const maxPairs = 256;

export interface HeaderReader {
  /** Every block of a connection must pass here, in order, one at a time. Throws `SpdyError`. */
  read(block: Buffer): Promise<ReadonlyMap<string, string>>;
  close(): void;
}

export function createHeaderReader(): HeaderReader {
  const inflate = createInflate({ dictionary: headerDictionary, flush: constants.Z_SYNC_FLUSH });
  let pieces: Buffer[] = [];
  let size = 0;
  let failure: Error | undefined;
  let settle: (() => void) | undefined;
  const fail = (error: Error): void => {
    failure ??= new SpdyError(`Cannot inflate SPDY headers: ${error.message}`);
    settle?.();
  };
  inflate.on('error', fail);
  inflate.on('data', (piece: Buffer) => {
    size += piece.length;
    pieces.push(piece);
    if (size > maxInflatedBytes) inflate.destroy(new SpdyError(`more than ${maxInflatedBytes} bytes`));
  });

  async function read(block: Buffer): Promise<ReadonlyMap<string, string>> {
    if (!failure) {
      const { promise, resolve } = Promise.withResolvers<void>();
      settle = resolve;
      inflate.write(block, () => setImmediate(resolve));
      await promise;
    }
    if (failure) throw failure;
    const plain = Buffer.concat(pieces);
    pieces = [];
    size = 0;
    return parseHeaders(plain);
  }

  return { read, close: () => inflate.destroy() };
}

/** Values of one name given twice come joined by NUL, as on the wire. */
export function parseHeaders(plain: Buffer): ReadonlyMap<string, string> {
  let at = 0;
  const number = (): number => {
    if (at + 4 > plain.length) throw new SpdyError('SPDY header block ends early');
    at += 4;
    return plain.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (at + length > plain.length) throw new SpdyError('SPDY header block ends early');
    at += length;
    return plain.toString('latin1', at - length, at);
  };
  const pairs = number();
  if (pairs > maxPairs) throw new SpdyError(`SPDY header block with ${pairs} names`);
  const headers = new Map<string, string>();
  for (let i = 0; i < pairs; i++) {
    const name = text().toLowerCase();
    headers.set(name, text());
  }
  return headers;
}

const syncFlush = [0x00, 0x00, 0x00, 0xff, 0xff];

export interface HeaderWriter {
  /** A block without any header: all that a server here ever answers. */
  empty(): Buffer;
}

/**
 * Compression without compressing: a stored block of four zero bytes, after the stream's own head the first time. Deflate
 * has no state that a stored block would change, so each one stands for itself. The empty block at the end is zlib's sync
 * flush: Go hands out what it has inflated only when it sees one.
 */
export function createHeaderWriter(): HeaderWriter {
  const stored = Buffer.from([0x00, 0x04, 0x00, 0xfb, 0xff, 0, 0, 0, 0, ...syncFlush]);
  const head = Buffer.alloc(6);
  // 0x78: deflate with a 32 KiB window. 0xbb: a preset dictionary follows, and the check bits that make it a multiple of 31.
  head.writeUInt16BE(0x78bb, 0);
  head.writeUInt32BE(dictionaryAdler32, 2);
  let begun = false;
  return {
    empty() {
      const block = begun ? stored : Buffer.concat([head, stored]);
      begun = true;
      return block;
    },
  };
}
