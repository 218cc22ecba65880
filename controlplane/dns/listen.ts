// The doors of the DNS server: one address and port over UDP and TCP. Every buffer behind them is bounded.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Answerer } from './answerer.ts';

export interface Doors {
  readonly port: number;
  close(): Promise<void>;
}

const maxConnections = 256;
const idleMs = 10_000;
/** Questions of one connection that wait for somebody else's answer: then we stop reading. */
const maxWaiting = 32;
const receiveBufferBytes = 4 * 1024 * 1024;

export interface DoorParts {
  readonly answerer: Answerer;
  readonly onError: (error: unknown) => void;
}

/** Port 0 takes any free one, the same for both. Rejects with a line that names the address where it cannot be had. */
export async function openDoors(address: string, port: number, parts: DoorParts): Promise<Doors> {
  const tcp = createServer((socket) => serve(socket, parts.answerer));
  tcp.maxConnections = maxConnections;
  const udp = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' });
  try {
    await listening(tcp.listen(port, address));
    const bound = (tcp.address() as { port: number }).port;
    await listening(udp.bind(bound, address));
    tcp.on('error', parts.onError);
    answerDatagrams(udp, parts);
    return { port: bound, close: () => close(tcp, udp) };
  } catch (cause) {
    tcp.close();
    udp.close();
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot answer DNS on ${address} port ${port}: ${detail}`, { cause });
  }
}

async function listening(door: Server | UdpSocket): Promise<void> {
  await once(door, 'listening');
}

function answerDatagrams(udp: UdpSocket, { answerer, onError }: DoorParts): void {
  try {
    // A burst from many pods waits here while we work.
    udp.setRecvBufferSize(receiveBufferBytes);
  } catch {
    // The kernel's own limit stays.
  }
  udp.on('error', onError);
  udp.on('message', (message, { address, port }) => {
    // Nobody can be reached at port 0.
    if (port === 0) return;
    const send = (answer: Buffer | undefined): void => {
      // A client that is gone is no trouble of ours.
      if (answer) udp.send(answer, port, address, () => {});
    };
    const answer = answerer.answer(message, 'udp');
    if (answer instanceof Promise) void answer.then(send);
    else send(answer);
  });
}

/** One connection: questions with their length in front, answered in the order in which answers come (RFC 7766). */
function serve(socket: Socket, answerer: Answerer): void {
  let pending: Buffer = Buffer.alloc(0);
  let waiting = 0;
  const send = (answer: Buffer | undefined): void => {
    if (!answer || socket.destroyed) return;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(answer.length);
    // A reader that does not read gets no more questions answered.
    if (!socket.write(Buffer.concat([length, answer]))) socket.pause();
  };
  const resume = (): void => {
    if (waiting < maxWaiting && socket.writableLength === 0) socket.resume();
  };
  const ask = (message: Buffer): void => {
    const answer = answerer.answer(message, 'tcp');
    if (!(answer instanceof Promise)) return send(answer);
    if (++waiting >= maxWaiting) socket.pause();
    void answer.then(send).then(() => {
      waiting--;
      resume();
    });
  };
  socket.setTimeout(idleMs, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('drain', resume);
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      ask(pending.subarray(2, end));
      pending = pending.subarray(end);
    }
  });
  open.add(socket);
}
