// A WebSocket client that offers a subprotocol with a slash in its name, as kubectl does: libraries refuse to.
import { randomBytes } from 'node:crypto';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { Duplex } from 'node:stream';

function frame(opcode: number, data: Buffer): Buffer {
  const mask = randomBytes(4);
  const head = Buffer.alloc(10);
  head.writeUInt8(0x80 | opcode);
  head.writeUInt8(0x80 | 127, 1);
  head.writeBigUInt64BE(BigInt(data.length), 2);
  const masked = Buffer.from(data);
  for (let i = 0; i < masked.length; i++) masked.writeUInt8(masked.readUInt8(i) ^ mask.readUInt8(i % 4), i);
  return Buffer.concat([head, mask, masked]);
}

/** Takes whole frames of a server off `held`; returns what is left. */
function takeFrames(held: Buffer, onFrame: (opcode: number, data: Buffer) => void): Buffer {
  let rest = held;
  for (;;) {
    if (rest.length < 2) return rest;
    const short = rest.readUInt8(1) & 127;
    const more = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (rest.length < 2 + more) return rest;
    const length = more === 0 ? short : more === 2 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    const end = 2 + more + length;
    if (rest.length < end) return rest;
    onFrame(rest.readUInt8(0) & 15, rest.subarray(2 + more, end));
    rest = rest.subarray(end);
  }
}

/** The bytes inside the binary messages of a WebSocket with this subprotocol. */
export function openTunnel(options: RequestOptions, protocol: string): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const req = httpsRequest({
    ...options,
    agent: false,
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      'Sec-WebSocket-Protocol': protocol,
    },
  });
  req.on('error', reject);
  req.on('response', (res) => reject(new Error(`HTTP ${res.statusCode}`)));
  req.on('upgrade', (res, socket, head) => {
    if (res.headers['sec-websocket-protocol'] !== protocol) return reject(new Error('another subprotocol'));
    let held = Buffer.from(head);
    const tunnel = new Duplex({
      read: () => void socket.resume(),
      write: (data: Buffer, _encoding, done) => void socket.write(frame(2, data), () => done()),
      final: (done) => void socket.write(frame(8, Buffer.from([3, 232])), () => done()),
      destroy: (error, done) => {
        socket.destroy();
        done(error);
      },
    });
    socket.on('error', () => {});
    socket.on('close', () => tunnel.push(null));
    socket.on('data', (chunk: Buffer) => {
      held = Buffer.from(
        takeFrames(Buffer.concat([held, chunk]), (opcode, data) => {
          if (opcode === 8) tunnel.push(null);
          else if (!tunnel.push(Buffer.from(data))) socket.pause();
        }),
      );
    });
    resolve(tunnel);
  });
  req.end();
  return promise;
}
