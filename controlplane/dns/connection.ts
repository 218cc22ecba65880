// DNS over one TCP connection: questions with their length in front, answered in the order in which answers come (RFC 7766).
import type { Socket } from 'node:net';
import type { Answerer } from './answerer.ts';

const idleMs = 10_000;
/** Questions that wait for somebody else's answer; the next ones wait unread. */
const maxWaiting = 32;

/** A reader that does not read, or asks too much at once, is not read from: what waits for it stays bounded. */
export function serveConnection(socket: Socket, answerer: Answerer): void {
  let pending: Buffer = Buffer.alloc(0);
  let waiting = 0;
  const isFull = (): boolean => waiting >= maxWaiting || socket.writableNeedDrain || socket.destroyed;

  function send(answer: Buffer | undefined): void {
    if (!answer || socket.destroyed) return;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(answer.length);
    socket.write(Buffer.concat([length, answer]));
  }

  function ask(message: Buffer): void {
    const answer = answerer.answer(message, 'tcp');
    if (!(answer instanceof Promise)) {
      send(answer);
      return;
    }
    waiting++;
    void answer.then((later) => {
      waiting--;
      send(later);
      proceed();
    });
  }

  function proceed(): void {
    while (!isFull() && pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      ask(pending.subarray(2, end));
      pending = pending.subarray(end);
    }
    if (isFull()) socket.pause();
    else socket.resume();
  }

  socket.setTimeout(idleMs, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('drain', proceed);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    proceed();
  });
}
