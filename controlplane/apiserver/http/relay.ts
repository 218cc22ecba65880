// Passes a request on to a kubelet, a pod or a service and the answer back; after an upgrade, bytes both ways.
import { type ClientRequest, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type StatusError, statusOf, unavailable } from '../rules/status-error.ts';
import type { Endpoint } from '../rules/streams.ts';

export interface KubeletClient {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface Target extends Endpoint {
  readonly path: string;
  /** How to speak TLS to a kubelet; pods and services are not verified, as upstream does not. */
  readonly tls?: KubeletClient;
}

const connectTimeoutMs = 10_000;
const longestWords = 2048;
/** Never passed on: who the client is stays between the client and us. */
const dropped = new Set(['authorization', 'host', 'cookie', 'expect']);
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
]);

/** Headers as they came, doubled ones too. */
function passedHeaders(incoming: IncomingMessage, isUpgrade: boolean): string[] {
  const passed: string[] = [];
  for (let index = 0; index + 1 < incoming.rawHeaders.length; index += 2) {
    const name = incoming.rawHeaders[index] ?? '';
    const lower = name.toLowerCase();
    if (dropped.has(lower) || (!isUpgrade && hopByHop.has(lower))) continue;
    passed.push(name, incoming.rawHeaders[index + 1] ?? '');
  }
  return passed;
}

function connect(incoming: IncomingMessage, target: Target, isUpgrade: boolean): ClientRequest {
  const { protocol, host, port, path, tls } = target;
  const headers = [
    'Host',
    host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
    ...passedHeaders(incoming, isUpgrade),
  ];
  const common = { host, port, path, method: incoming.method ?? 'GET', headers, agent: false as const };
  const made =
    protocol === 'https:'
      ? httpsRequest({ ...common, ...(tls ?? { rejectUnauthorized: false }), servername: isIP(host) === 0 ? host : '' })
      : httpRequest(common);
  const timer = setTimeout(() => made.destroy(new Error(`dial tcp ${host}:${port}: i/o timeout`)), connectTimeoutMs);
  made.once('socket', (socket) =>
    socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', () => clearTimeout(timer)),
  );
  made.once('close', () => clearTimeout(timer));
  return made;
}

const unreachable = ({ host, port }: Target, error: Error): StatusError =>
  unavailable(`error trying to reach service: cannot reach ${host}:${port}: ${error.message}`);

/**
 * Answers when the far side has. Throws a 503 `StatusError` where it cannot be reached, and what `refusal` makes of its words where
 * it refuses: a client that asked the API wants a Status.
 */
export async function relay(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: Target,
  signal: AbortSignal,
  refusal?: (code: number, words: string) => StatusError,
): Promise<void> {
  const far = connect(incoming, target, false);
  signal.addEventListener('abort', () => far.destroy(), { once: true });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    far.once('response', resolve);
    far.once('error', (error) => reject(unreachable(target, error)));
  });
  // The far side may answer and hang up before the body is through.
  pipeline(incoming, far).catch(() => undefined);
  const answer = await answered;
  const code = answer.statusCode ?? 502;
  if (refusal && code >= 400) throw refusal(code, await firstWords(answer));
  outgoing.writeHead(answer.statusCode ?? 502, withoutHops(answer));
  outgoing.flushHeaders();
  await pipeline(answer, outgoing).catch(() => outgoing.destroy());
}

/** The beginning of a text that only has to be quoted. */
async function firstWords(answer: IncomingMessage): Promise<string> {
  let words = '';
  for await (const chunk of answer) {
    words += String(chunk);
    if (words.length > longestWords) break;
  }
  return words.slice(0, longestWords).trim();
}

function withoutHops(answer: IncomingMessage): Record<string, string | string[]> {
  const kept = Object.entries(answer.headers).filter(([name, value]) => value !== undefined && !hopByHop.has(name));
  return Object.fromEntries(kept) as Record<string, string | string[]>;
}

function rawHead(answer: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`];
  for (let index = 0; index + 1 < answer.rawHeaders.length; index += 2) {
    lines.push(`${answer.rawHeaders[index]}: ${answer.rawHeaders[index + 1]}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Joins both sockets until either ends. */
function join(near: Duplex, far: Duplex): void {
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
  near.on('close', () => far.destroy());
  far.on('close', () => near.destroy());
  near.pipe(far);
  far.pipe(near);
}

/** Passes an upgrade on. Nothing of the client's reaches the far side before that has agreed to it: else the client could go on as us. */
export function relayUpgrade(incoming: IncomingMessage, near: Duplex, head: Buffer, target: Target): void {
  const far = connect(incoming, target, true);
  near.once('close', () => far.destroy());
  far.once('error', (error) => refuseUpgrade(near, unreachable(target, error)));
  far.once('response', (answer) => {
    near.write(rawHead(answer));
    answer.pipe(near);
  });
  far.once('upgrade', (answer, socket, farHead) => {
    near.write(rawHead(answer));
    near.write(farHead);
    socket.write(head);
    join(near, socket);
  });
  far.end();
}

/** Answers on the bare socket of a request that asked for an upgrade. */
export function refuseUpgrade(near: Duplex, error: StatusError): void {
  if (!near.writable) return;
  const body = JSON.stringify(statusOf(error));
  const lines = [
    `HTTP/1.1 ${error.code} ${error.reason}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  near.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
