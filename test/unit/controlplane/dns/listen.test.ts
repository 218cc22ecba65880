// The doors on the loopback: many questions on one connection, a resolver that answers over UDP, then TCP, and one that lies.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { after, before, test } from 'node:test';
import { decode } from 'dns-packet';
import { createAnswerer, type Forwarder } from '../../../../controlplane/dns/answerer.ts';
import { exchange } from '../../../../controlplane/dns/forward/exchange.ts';
import { type Doors, openDoors } from '../../../../controlplane/dns/listen.ts';
import { encodeAnswer } from '../../../../controlplane/dns/message.ts';
import { ask, world } from '../../../builders/dns.ts';

const hello = 'hello.default.svc.cluster.local';
const many = 'many.default.svc.cluster.local';
const withinMs = 5000;
const forwarder: Forwarder = {
  forward: async (query, limit) => encodeAnswer(query, { rcode: 'SERVFAIL', isAuthoritative: false }, limit),
  follow: async () => ({ rcode: 'SERVFAIL', answers: [] }),
};
let doors: Doors;

before(async () => {
  const zone = world();
  const data = Array.from({ length: 300 }, (_, at) => `10.1.${at >> 8}.${at & 255}`);
  zone.put(
    'service/many',
    data.map((ip) => ({ name: many, ttl: 5, type: 'A', data: ip })),
  );
  doors = await openDoors('127.0.0.1', 0, {
    answerer: createAnswerer({ zone, forwarder }),
    onError: assert.ifError,
    isHeard: () => true,
  });
});

after(() => doors.close());

test('a question by datagram, and by a connection where the answer is long', async () => {
  const one = decode(await exchange('127.0.0.1', ask(hello), AbortSignal.timeout(withinMs), doors.port));
  assert.equal(one.answers?.length, 1);
  const all = decode(await exchange('127.0.0.1', ask(many), AbortSignal.timeout(withinMs), doors.port));
  assert.equal(all.answers?.length, 300);
});

test('a thousand questions on one connection, in pieces, are all answered', async () => {
  const socket = createConnection(doors.port, '127.0.0.1');
  const framed = Buffer.concat(
    Array.from({ length: 1000 }, (_, id) => {
      const message = ask(id % 3 === 0 ? 'www.example.com' : hello, 'A', { id });
      return Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);
    }),
  );
  const ids = new Set<number>();
  let pending = Buffer.alloc(0);
  const done = Promise.withResolvers<void>();
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length > 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      ids.add(pending.readUInt16BE(2));
      pending = pending.subarray(2 + pending.readUInt16BE(0));
    }
    if (ids.size === 1000) done.resolve();
  });
  socket.on('close', () => done.reject(new Error(`closed after ${ids.size} answers`)));
  for (let at = 0; at < framed.length; at += 777) socket.write(framed.subarray(at, at + 777));
  await done.promise;
  socket.destroy();
});

test('an address that is taken is named', async () => {
  const parts = {
    answerer: createAnswerer({ zone: world(), forwarder }),
    onError: assert.ifError,
    isHeard: () => true,
  };
  await assert.rejects(openDoors('127.0.0.1', doors.port, parts), {
    message: new RegExp(`^Cannot answer DNS on 127\\.0\\.0\\.1 port ${doors.port}: .*EADDRINUSE`),
  });
});

test('a stranger meets silence', async () => {
  const heard: string[] = [];
  const closed = await openDoors('127.0.0.1', 0, {
    answerer: { answer: () => assert.fail('asked') },
    onError: assert.ifError,
    isHeard: (source) => {
      heard.push(source);
      return false;
    },
  });
  try {
    await assert.rejects(exchange('127.0.0.1', ask(hello), AbortSignal.timeout(300), closed.port), {
      name: 'TimeoutError',
    });
    const socket = createConnection(closed.port, '127.0.0.1');
    await once(socket, 'close');
    assert.deepEqual(heard, ['127.0.0.1', '127.0.0.1']);
  } finally {
    await closed.close();
  }
});

test('an answer with another id or another question is not heard', async () => {
  const liar = createSocket('udp4');
  liar.bind(0, '127.0.0.1');
  await once(liar, 'listening');
  liar.on('message', (message, { port }) => {
    const lies = [Buffer.from(message), ask('evil.example'), Buffer.alloc(3), Buffer.from(message)];
    lies[0]?.writeUInt16BE(message.readUInt16BE(0) ^ 1, 0);
    lies[1]?.writeUInt16BE(message.readUInt16BE(0), 0);
    for (const lie of lies) {
      if (lie.length > 4 && lie !== lies[3]) lie.writeUInt16BE(0x8180, 2);
      liar.send(lie, port, '127.0.0.1');
    }
  });
  try {
    const asking = exchange('127.0.0.1', ask(hello), AbortSignal.timeout(300), liar.address().port);
    await assert.rejects(asking, { name: 'TimeoutError' });
  } finally {
    liar.close();
  }
});
