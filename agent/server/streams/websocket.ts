// WebSockets with back-pressure: the handshake (also for names that are no token), messages in, messages out.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { createInbox } from './inbox.ts';
import { PeerGone, type Transport } from './transport.ts';

const maxMessageBytes = 16 * 1024 * 1024;
const queueBytes = 256 * 1024;
const closeDeadlineMs = 10_000;

export interface MessageSocket {
  /** Ends when the peer closes or vanishes; the peer is made to wait while nobody reads. */
  readonly messages: AsyncIterable<Buffer>;
  /** Resolves when the next may be sent; rejects with `PeerGone`. */
  send(message: Buffer | string): Promise<void>;
  /** Says good-bye and waits until the peer has, so that it has read all; at most 10 s. */
  close(): Promise<void>;
  destroy(): void;
}

/** Answers handshakes. One per server: it carries what the handshakes agree on. */
export interface WebSocketDoor {
  /**
   * Opens the WebSocket that `req` asks for, with `protocol` as the agreed one ("" for none). A handshake that is wrong in
   * itself is answered with 400 and the promise never settles: the socket is gone.
   */
  open(req: IncomingMessage, socket: Duplex, head: Buffer, protocol: string): Promise<MessageSocket>;
}

export function createWebSocketDoor(): WebSocketDoor {
  const agreed = new WeakMap<IncomingMessage, string>();
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
  });
  server.on('headers', (headers, req) => {
    const protocol = agreed.get(req);
    if (protocol) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
  });
  return {
    open(req, socket, head, protocol) {
      // "SPDY/3.1+portforward.k8s.io" has a slash, which is no token character: the library would refuse the offer.
      delete req.headers['sec-websocket-protocol'];
      agreed.set(req, protocol);
      return new Promise((resolve) => {
        server.handleUpgrade(req, socket, head, (opened) => resolve(messageSocket(opened)));
      });
    },
  };
}

/** Wraps a socket that has just opened: called later, it would miss the first messages. */
export function messageSocket(socket: WebSocket): MessageSocket {
  const messages = createInbox();
  socket.on('error', () => {});
  socket.on('close', () => messages.end());
  socket.on('message', (data: Buffer) => {
    const full = messages.push(data);
    if (!full) return;
    socket.pause();
    void full.then(() => socket.resume());
  });
  return {
    messages,
    send(message) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      socket.send(message, (error) => (error ? reject(new PeerGone(error)) : resolve()));
      if (socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > queueBytes) return promise;
      promise.catch(() => {});
      return Promise.resolve();
    },
    async close() {
      messages.discard();
      if (socket.readyState === WebSocket.CLOSED) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(() => socket.terminate(), closeDeadlineMs);
      socket.once('close', () => resolve());
      socket.close(1000);
      await promise;
      clearTimeout(timer);
    },
    destroy: () => socket.terminate(),
  };
}

/** The payloads of binary messages as one stream of bytes (KEP-4006, tunnelled port-forward). */
export function webSocketTransport(socket: MessageSocket): Transport {
  return {
    input: socket.messages,
    write: (...parts) => socket.send(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)),
    end: () => void socket.close(),
    destroy: () => socket.destroy(),
  };
}
