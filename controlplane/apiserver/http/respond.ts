// Writes answers: JSON or YAML, gzip where it pays, Warning headers, Status bodies.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { stringify } from 'yaml';
import { type StatusError, statusOf } from '../rules/status-error.ts';

const gzipFrom = 128 * 1024;
const compress = promisify(gzip);

export interface Reply {
  readonly code?: number;
  readonly media?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly warnings?: readonly string[];
}

const quoted = (text: string): string => text.replace(/[\\"]/g, '\\$&').replace(/[^\x20-\x7e]/g, '?');

/** A warning per header line: `299 - "text"`. */
export const warningHeaders = (warnings: readonly string[]): string[] =>
  [...new Set(warnings)].slice(0, 50).map((text) => `299 - "${quoted(text).slice(0, 1000)}"`);

export async function sendBytes(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  body: Buffer,
  reply: Reply,
): Promise<void> {
  const zipped = body.length > gzipFrom && /\bgzip\b/.test(String(incoming.headers['accept-encoding'] ?? ''));
  const bytes = zipped ? await compress(body, { level: 1 }) : body;
  outgoing.statusCode = reply.code ?? 200;
  outgoing.setHeader('content-type', reply.media ?? 'application/json');
  outgoing.setHeader('content-length', bytes.length);
  outgoing.setHeader('cache-control', 'no-cache, private');
  if (zipped) outgoing.setHeader('content-encoding', 'gzip');
  if (reply.warnings && reply.warnings.length > 0) outgoing.setHeader('warning', warningHeaders(reply.warnings));
  for (const [name, value] of Object.entries(reply.headers ?? {})) outgoing.setHeader(name, value);
  outgoing.end(incoming.method === 'HEAD' ? undefined : bytes);
}

export async function sendObject(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  object: object,
  reply: Reply = {},
): Promise<void> {
  const body = reply.media === 'application/yaml' ? stringify(object) : JSON.stringify(object);
  await sendBytes(incoming, outgoing, Buffer.from(body), reply);
}

export const sendText = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  text: string,
  code = 200,
): Promise<void> => sendBytes(incoming, outgoing, Buffer.from(text), { code, media: 'text/plain; charset=utf-8' });

export async function sendStatus(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  error: StatusError,
  warnings: readonly string[],
): Promise<void> {
  const wait = error.details?.retryAfterSeconds;
  const headers: Record<string, string> = wait === undefined ? {} : { 'retry-after': String(wait) };
  if (error.code === 401) headers['www-authenticate'] = 'Bearer realm="kubernetes"';
  await sendObject(incoming, outgoing, statusOf(error), { code: error.code, headers, warnings });
}
