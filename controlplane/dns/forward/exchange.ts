// One question to one resolver: over UDP from a port of its own, again over TCP where the answer did not fit.
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createConnection, isIPv6 } from 'node:net';

const dnsPort = 53;
const truncatedFlag = 0x0200;

/** Resolves with the answer to `message`, which begins with an id that is replaced by a random one. Rejects when `signal` ends or nobody is there. */
export type Exchange = (server: string, message: Buffer, signal: AbortSignal, port?: number) => Promise<Buffer>;

export const exchange: Exchange = async (server, message, signal, port = dnsPort) => {
  const asked = Buffer.from(message);
  asked.writeUInt16BE(randomInt(65_536), 0);
  const answer = await overUdp(server, port, asked, signal);
  return answer.readUInt16BE(2) & truncatedFlag ? overTcp(server, port, asked, signal) : answer;
};

/** Only the server that was asked is heard, and only with our id and our question: an answer cannot be guessed. */
function isAnswerTo(asked: Buffer, answer: Buffer): boolean {
  const end = questionEnd(asked);
  return (
    answer.length >= end &&
    answer.readUInt16BE(0) === asked.readUInt16BE(0) &&
    (answer.readUInt16BE(2) & 0x8000) !== 0 &&
    answer.readUInt16BE(4) === 1 &&
    sameQuestion(answer.subarray(12, end), asked.subarray(12, end))
  );
}

function sameQuestion(one: Buffer, other: Buffer): boolean {
  return one.toString('latin1').toLowerCase() === other.toString('latin1').toLowerCase();
}

/** Our own question: well formed, no pointers. */
function questionEnd(asked: Buffer): number {
  let at = 12;
  for (let length = asked[at] ?? 0; length !== 0; length = asked[at] ?? 0) at += 1 + length;
  return at + 5;
}

function overUdp(server: string, port: number, asked: Buffer, signal: AbortSignal): Promise<Buffer> {
  const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4');
  const answer = new Promise<Buffer>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (message) => isAnswerTo(asked, message) && resolve(message));
    // Connected, the kernel drops what others send, and tells us when nobody listens.
    socket.connect(port, server, () => socket.send(asked, (error) => error && reject(error)));
  });
  return until(answer, signal).finally(() => socket.close());
}

function overTcp(server: string, port: number, asked: Buffer, signal: AbortSignal): Promise<Buffer> {
  const socket = createConnection({ host: server, port });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(asked.length);
  const answer = new Promise<Buffer>((resolve, reject) => {
    let pending: Buffer = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`${server} closed the connection before it answered`)));
    socket.on('connect', () => socket.write(Buffer.concat([length, asked])));
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      if (pending.length < 2 || pending.length < 2 + pending.readUInt16BE(0)) return;
      const message = pending.subarray(2, 2 + pending.readUInt16BE(0));
      if (isAnswerTo(asked, message)) resolve(message);
      else reject(new Error(`${server} answered another question`));
    });
  });
  return until(answer, signal).finally(() => socket.destroy());
}

/** The loser's rejection has been heard by the race. */
function until<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<T>();
  const end = (): void => reject(signal.reason);
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', end));
}
