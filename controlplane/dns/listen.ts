// The doors of the DNS server: one address and port over UDP and TCP.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Answerer } from './answerer.ts';
import { serveConnection } from './connection.ts';

export interface Doors {
  readonly port: number;
  close(): Promise<void>;
}

const maxConnections = 256;
const receiveBufferBytes = 4 * 1024 * 1024;

export interface DoorParts {
  readonly answerer: Answerer;
  readonly onError: (error: unknown) => void;
  /** Whether questions from this address are heard; strangers meet silence. */
  readonly isHeard: (source: string) => boolean;
}

/** Port 0 takes any free one, the same for both. Rejects with a line that names the address where it cannot be had. */
export async function openDoors(address: string, port: number, parts: DoorParts): Promise<Doors> {
  const connections = new Set<Socket>();
  const tcp = createServer((socket) => {
    if (!parts.isHeard(socket.remoteAddress ?? '')) return socket.destroy();
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    serveConnection(socket, parts.answerer);
  });
  tcp.maxConnections = maxConnections;
  const udp = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' });
  try {
    await listening(tcp.listen(port, address));
    const bound = (tcp.address() as { port: number }).port;
    await listening(udp.bind(bound, address));
    tcp.on('error', parts.onError);
    answerDatagrams(udp, parts);
    return { port: bound, close: () => close(tcp, udp, connections) };
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

function answerDatagrams(udp: UdpSocket, { answerer, onError, isHeard }: DoorParts): void {
  try {
    // A burst from many pods waits here while we work.
    udp.setRecvBufferSize(receiveBufferBytes);
  } catch {
    // The kernel's own limit stays.
  }
  let isOpen = true;
  udp.on('close', () => {
    isOpen = false;
  });
  udp.on('error', onError);
  udp.on('message', (message, { address, port }) => {
    // Nobody can be reached at port 0.
    if (port === 0 || !isHeard(address)) return;
    const send = (answer: Buffer | undefined): void => {
      // Answers from elsewhere may come after the end. A client that is gone is no trouble of ours.
      if (answer && isOpen) udp.send(answer, port, address, () => {});
    };
    const answer = answerer.answer(message, 'udp');
    if (answer instanceof Promise) void answer.then(send);
    else send(answer);
  });
}

function close(tcp: Server, udp: UdpSocket, connections: ReadonlySet<Socket>): Promise<void> {
  for (const connection of connections) connection.destroy();
  udp.close();
  return new Promise((resolve) => tcp.close(() => resolve()));
}
