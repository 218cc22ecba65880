// Docker's multiplexed output: frames of an 8-byte header (stream, three zeros, length) and data.
import { EngineError, type OutputChunk } from './engine.ts';

const headerBytes = 8;
const noBytes = Buffer.alloc(0);

/** Splits a multiplexed stream. Pulls one piece at a time, so a slow reader slows the writer; no frame is ever held whole. */
export async function* demux(source: AsyncIterable<Buffer>): AsyncIterable<OutputChunk> {
  let header = noBytes;
  let stream: OutputChunk['stream'] = 'stdout';
  let left = 0;
  for await (const chunk of source) {
    let rest = chunk;
    while (rest.length > 0) {
      if (left > 0) {
        const data = rest.subarray(0, left);
        rest = rest.subarray(data.length);
        left -= data.length;
        yield { stream, data };
        continue;
      }
      const missing = headerBytes - header.length;
      header = Buffer.concat([header, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (header.length < headerBytes) break;
      stream = streamOf(header[0]);
      left = header.readUInt32BE(4);
      header = noBytes;
    }
  }
}

function streamOf(type: number | undefined): OutputChunk['stream'] {
  if (type === 0 || type === 1) return 'stdout';
  if (type === 2) return 'stderr';
  throw new EngineError('Cannot read output', { reason: 'ServerError', detail: `unknown stream type ${type}` });
}

/** A terminal's output is not framed: everything is stdout. */
export async function* undivided(source: AsyncIterable<Buffer>): AsyncIterable<OutputChunk> {
  for await (const data of source) yield { stream: 'stdout', data };
}
