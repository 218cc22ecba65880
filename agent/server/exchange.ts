// One request and its answer. An upgrade is the same until the protocol takes the socket over.
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

export interface Upgrade {
  readonly socket: Duplex;
  /** What the peer has sent after its request already. */
  readonly head: Buffer;
}

export interface Exchange {
  readonly req: IncomingMessage;
  readonly query: URLSearchParams;
  readonly upgrade: Upgrade | undefined;
  /** The ordinary answer. On an upgrade: the refusal of it, after which the connection closes. */
  response(): ServerResponse;
}

/** A response over a socket that the HTTP server has let go of. Nothing after the answer is read: no second request hides there. */
export function responseOn(req: IncomingMessage, socket: Duplex): ServerResponse {
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0]);
  res.once('finish', () => socket.end());
  return res;
}

export function sendText(res: ServerResponse, code: number, text: string, headers: Record<string, string> = {}): void {
  if (res.headersSent || res.destroyed) return void res.destroy();
  res.writeHead(code, {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': Buffer.byteLength(text),
    ...headers,
  });
  res.end(text);
}

export function sendJson(res: ServerResponse, code: number, body: unknown): void {
  const text = JSON.stringify(body);
  res.writeHead(code, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
  res.end(text);
}
