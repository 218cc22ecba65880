// Reads a request's body, bounded.
import type { IncomingMessage } from 'node:http';
import { StatusError, tooLarge } from '../rules/status-error.ts';

export const maxBodyBytes = 3 * 1024 * 1024;

/** Throws a 413 or 415 `StatusError`. Compressed requests are refused: nobody sends them, and they can be bombs. */
export async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  if ((incoming.headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new StatusError(415, 'UnsupportedMediaType', 'request bodies must not be compressed');
  }
  const limit = `Request entity too large: limit is ${maxBodyBytes}`;
  if (Number(incoming.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge(limit);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
