// The SPDY codec: whatever the cuts of the stream, the frames are the same; rubbish ends in SpdyError and nothing else.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { headerDictionary } from '../../../../../agent/server/spdy/dictionary.ts';
import {
  createFrameReader,
  encodeDataHead,
  encodeGoAway,
  encodePing,
  encodeRstStream,
  encodeSynReply,
  type Frame,
  SpdyError,
} from '../../../../../agent/server/spdy/frames.ts';
import { createHeaderReader, createHeaderWriter } from '../../../../../agent/server/spdy/header-blocks.ts';
import { headerBlock, headerDeflater, synStream } from '../../../../rig/server/spdy-client.ts';

const id = fc.integer({ min: 1, max: 0x7fffffff });
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const plain = { noNullPrototype: true };
const frame = fc.oneof(
  fc.record({ type: fc.constant('data' as const), id, data: bytes, fin: fc.boolean() }, plain),
  fc.record({ type: fc.constant('synStream' as const), id, block: bytes, fin: fc.constant(false) }, plain),
  fc.record({ type: fc.constant('synReply' as const), id, block: bytes, fin: fc.constant(false) }, plain),
  fc.record({ type: fc.constant('rstStream' as const), id, status: fc.nat(100) }, plain),
  fc.record({ type: fc.constant('ping' as const), id }, plain),
  fc.constant({ type: 'goAway' as const }),
);

function encode(one: Frame): Buffer {
  switch (one.type) {
    case 'data':
      return Buffer.concat([encodeDataHead(one.id, one.data.length, one), one.data]);
    case 'synStream':
      return synStream(one.id, one.block);
    case 'synReply':
      return encodeSynReply(one.id, one.block);
    case 'rstStream':
      return encodeRstStream(one.id, one.status);
    case 'ping':
      return encodePing(one.id);
    default:
      return encodeGoAway(1);
  }
}

function cut(stream: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    chunks.push(stream.subarray(at, at + size));
    at += size;
  }
  return [...chunks, stream.subarray(at)];
}

/** Pieces of one data frame joined again. */
function whole(frames: readonly Frame[], given: readonly Frame[]): Frame[] {
  const joined: Frame[] = [];
  let left = 0;
  for (const one of frames) {
    const last = joined.at(-1);
    if (one.type === 'data' && left > 0 && last?.type === 'data') {
      joined[joined.length - 1] = { ...one, data: Buffer.concat([last.data, one.data]) };
      left -= one.data.length;
    } else {
      const expected = given[joined.length];
      left = one.type === 'data' && expected?.type === 'data' ? expected.data.length - one.data.length : 0;
      joined.push(one);
    }
  }
  return joined;
}

describe('SPDY frames', () => {
  it('are read the same however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), fc.array(fc.nat(60), { maxLength: 100 }), (frames, sizes) => {
        const reader = createFrameReader();
        const read = cut(Buffer.concat(frames.map(encode)), sizes).flatMap((chunk) => reader.feed(chunk));
        assert.deepEqual(whole(read, frames), frames);
      }),
    );
  });

  it('never throw anything but SpdyError at rubbish', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 20 }), (chunks) => {
        const reader = createFrameReader();
        try {
          for (const chunk of chunks) reader.feed(chunk);
        } catch (error) {
          assert.ok(error instanceof SpdyError);
        }
      }),
    );
  });

  it('are refused when a control frame is longer than 64 KiB or of another version', () => {
    const long = encodePing(1);
    long.writeUIntBE(64 * 1024 + 1, 5, 3);
    assert.throws(() => createFrameReader().feed(long), new SpdyError('SPDY control frame of 65537 bytes'));
    const old = encodePing(1);
    old.writeUInt16BE(0x8002);
    assert.throws(() => createFrameReader().feed(old), new SpdyError('SPDY version 2'));
  });
});

describe('SPDY header blocks', () => {
  it('use the dictionary of the specification', () => {
    let [a, b] = [1, 0];
    for (const byte of headerDictionary) {
      a = (a + byte) % 65_521;
      b = (b + a) % 65_521;
    }
    assert.deepEqual([headerDictionary.length, ((b << 16) | a) >>> 0], [1423, 0xe3c6a7c2]);
  });

  it('survive compression as one stream', async () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
    const headers = fc.dictionary(name, fc.stringMatching(/^[ -~]{0,40}$/), { maxKeys: 10 });
    await fc.assert(
      fc.asyncProperty(fc.array(headers, { maxLength: 8 }), async (blocks) => {
        const reader = createHeaderReader();
        const deflate = headerDeflater();
        for (const block of blocks) {
          const read = await reader.read(await deflate(headerBlock(block)));
          assert.deepEqual(Object.fromEntries(read), { ...block });
        }
        reader.close();
      }),
      { numRuns: 50 },
    );
  });

  it('of ours are read by a real inflater, each one', async () => {
    const reader = createHeaderReader();
    const writer = createHeaderWriter();
    for (let i = 0; i < 3; i++) {
      const block = writer.empty();
      assert.equal((await reader.read(block)).size, 0);
      assert.deepEqual([...block.subarray(-5)], [0, 0, 0, 0xff, 0xff], 'a sync flush, which Go needs');
    }
    reader.close();
  });

  it('that inflate without end, or are no deflate stream, are refused', async () => {
    const bomb = await headerDeflater()(Buffer.alloc(10_000_000));
    await assert.rejects(createHeaderReader().read(bomb.subarray(0, 60_000)), SpdyError);
    await assert.rejects(createHeaderReader().read(Buffer.from('not deflate at all')), SpdyError);
  });
});
