// One call of a plugin's method: gRPC over HTTP/2 on a Unix socket, bounded in time and size.
import { constants, type IncomingHttpHeaders, connect as openSession } from 'node:http2';
import { connect } from 'node:net';
import { decode, encode, type Message, type Shape } from '../rules/protobuf.ts';
import type { Method } from './messages.ts';

/** Codes that a driver may answer with, by number. */
const codeNames = [
  ...['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists'],
  ...['PermissionDenied', 'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented'],
  ...['Internal', 'Unavailable', 'DataLoss', 'Unauthenticated'],
];

/** A call that a plugin refused, or did not answer. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  /** "Internal", "Unavailable" … */
  readonly code: string;

  constructor(code: string, detail: string, cause?: unknown) {
    super(`rpc error: code = ${code} desc = ${detail}`, { cause });
    this.code = code;
  }
}

export const callDeadlineMs = 120_000;
const longestAnswerBytes = 4 * 1024 * 1024;
const prefixBytes = 5;

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function unframed(body: Buffer): Buffer {
  if (body.length < prefixBytes || body[0] !== 0 || body.readUInt32BE(1) !== body.length - prefixBytes) {
    throw new RpcError('Internal', 'the answer is not one uncompressed message');
  }
  return body.subarray(prefixBytes);
}

function checkStatus(headers: IncomingHttpHeaders): void {
  const status = headers['grpc-status'];
  if (status === '0') return;
  if (status === undefined) throw new RpcError('Unavailable', `HTTP status ${headers[':status'] ?? 'missing'}`);
  const words = String(headers['grpc-message'] ?? '').replace(/%(?![0-9A-Fa-f]{2})/g, '%25');
  throw new RpcError(codeNames[Number(status)] ?? `Code(${status})`, decodeURIComponent(words));
}

/** Throws `RpcError`, after `callDeadlineMs` at the latest, or `signal`'s reason. */
export async function call<Q extends Shape, A extends Shape>(
  socketPath: string,
  { path, request, answer }: Method<Q, A>,
  message: Message<Q>,
  signal: AbortSignal,
): Promise<Message<A>> {
  const late = AbortSignal.timeout(callDeadlineMs);
  try {
    return decode(answer, unframed(await exchange(socketPath, path, encode(request, message), signal, late)));
  } catch (error) {
    signal.throwIfAborted();
    if (late.aborted) throw new RpcError('DeadlineExceeded', 'context deadline exceeded', error);
    if (error instanceof RpcError) throw error;
    throw new RpcError('Unavailable', error instanceof Error ? error.message : String(error), error);
  }
}

async function exchange(
  socketPath: string,
  path: string,
  message: Buffer,
  ...ends: readonly AbortSignal[]
): Promise<Buffer> {
  const session = openSession('http://localhost', { createConnection: () => connect(socketPath) });
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  session.on('error', broken.reject);
  session.on('close', () => broken.reject(new Error('connection closed')));
  const end = AbortSignal.any([...ends]);
  const abort = (): void => broken.reject(end.reason);
  end.addEventListener('abort', abort, { once: true });
  if (end.aborted) abort();
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      'grpc-timeout': `${callDeadlineMs}m`,
      te: 'trailers',
    });
    let headers: IncomingHttpHeaders = {};
    const keep = (more: IncomingHttpHeaders): void => {
      headers = { ...headers, ...more };
    };
    stream.on('response', keep).on('trailers', keep).on('error', broken.reject);
    stream.end(framed(message));
    const body = await Promise.race([bodyOf(stream), broken.promise]);
    checkStatus(headers);
    return body;
  } finally {
    end.removeEventListener('abort', abort);
    session.destroy(undefined, constants.NGHTTP2_NO_ERROR);
  }
}

async function bodyOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > longestAnswerBytes) throw new RpcError('ResourceExhausted', 'the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
