// A host in a network namespace, told by lines on stdin what to serve and whom to ask. Run as a program of its own.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

export type PeerOrder =
  | { readonly do: 'serve'; readonly protocol: 'tcp' | 'udp'; readonly port: number }
  | {
      readonly do: 'ask';
      readonly protocol: 'tcp' | 'udp';
      readonly ip: string;
      readonly port: number;
      readonly timeoutMs: number;
      readonly sourcePort?: number;
      readonly sourceIp?: string;
    };

const name = process.argv[2] ?? '';
const plain = (ip: string | undefined): string => (ip ?? '').replace(/^::ffff:/, '');

/** Answers with our name and the address that asked. */
function serve(protocol: 'tcp' | 'udp', port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  if (protocol === 'tcp') {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(`${name} ${plain(socket.remoteAddress)}`);
    });
    server.on('error', reject).listen(port, '::', () => resolve('serving'));
  } else {
    const socket = createSocket('udp6');
    socket.on('message', (_, from) => socket.send(`${name} ${plain(from.address)}`, from.port, from.address));
    socket.on('error', reject).bind(port, '::', () => resolve('serving'));
  }
  return promise;
}

type Ask = Extract<PeerOrder, { do: 'ask' }>;

function askTcp({ ip, port, timeoutMs, sourcePort, sourceIp }: Ask): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({
    host: ip,
    port,
    ...(sourcePort ? { localPort: sourcePort } : {}),
    ...(sourceIp ? { localAddress: sourceIp } : {}),
  });
  const end = (words: string): void => {
    clearTimeout(timer);
    socket.destroy();
    resolve(words);
  };
  const timer = setTimeout(() => end('timeout'), timeoutMs);
  let text = '';
  socket.on('data', (data) => {
    text += data.toString();
  });
  socket.on('end', () => end(text)).on('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'error'));
  return promise;
}

/** Connected, so that an ICMP refusal is heard. */
function askUdp({ ip, port, timeoutMs, sourcePort, sourceIp }: Ask): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4');
  const end = (words: string): void => {
    clearTimeout(timer);
    socket.close();
    resolve(words);
  };
  const timer = setTimeout(() => end('timeout'), timeoutMs);
  socket.on('message', (data) => end(data.toString()));
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'error'));
  socket.bind(sourcePort ?? 0, sourceIp, () => {
    socket.connect(port, ip, () => socket.send('?'));
  });
  return promise;
}

async function obey(order: PeerOrder): Promise<string> {
  if (order.do === 'serve') return serve(order.protocol, order.port);
  return order.protocol === 'tcp' ? askTcp(order) : askUdp(order);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, order } = JSON.parse(line) as { id: number; order: PeerOrder };
  void obey(order)
    .catch((error: Error) => error.message)
    .then((answer) => process.stdout.write(`${JSON.stringify({ id, answer })}\n`));
}
process.exit(0);
