// Names outside the cluster: asked once, kept for a while, bounded, and never in a circle.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, type RecordType } from 'dns-packet';
import type { Forwarder } from '../../../../../controlplane/dns/answerer.ts';
import { createForwarder, type ForwarderParts } from '../../../../../controlplane/dns/forward/forwarder.ts';
import { parseQuery, type Query } from '../../../../../controlplane/dns/message.ts';
import { type AskParts, ask } from '../../../../builders/dns.ts';
import { createFakeClock, type FakeClock } from '../../../../fakes/clock.ts';

function query(name: string, type: RecordType = 'A', parts: AskParts = {}): Query {
  const parsed = parseQuery(ask(name, type, parts));
  if (!parsed || 'error' in parsed) throw new Error('not a question');
  return parsed.query;
}

interface World {
  readonly forwarder: Forwarder;
  readonly clock: FakeClock;
  /** "server name", in order. */
  readonly asked: string[];
}

type Answering = (server: string, message: Buffer) => Buffer | Promise<Buffer>;

/** The resolver answers every name with one address for 20 seconds. */
const answering: Answering = (_, message) => replyTo(message, ['192.0.2.1']);

function replyTo(message: Buffer, ips: readonly string[], rcode = 0): Buffer {
  const { questions = [], additionals = [] } = decode(message);
  const name = questions[0]?.name ?? '';
  const answers = ips.map((data) => ({ name, type: 'A' as const, ttl: 20, data }));
  return encode({ type: 'response', flags: rcode | 0x0400, questions, answers, additionals });
}

function world(exchange: Answering = answering, parts: Partial<ForwarderParts> = {}): World {
  const asked: string[] = [];
  const clock = createFakeClock();
  const forwarder = createForwarder({
    upstreams: async () => ['10.0.0.1', '10.0.0.2'],
    exchange: async (server, message) => {
      asked.push(`${server} ${decode(message).questions?.[0]?.name}`);
      return exchange(server, message);
    },
    clock,
    ...parts,
  });
  return { forwarder, clock, asked };
}

const rcodeOf = (bytes: Buffer): number => bytes.readUInt16BE(2) & 0xf;

test('the answer is passed on with the id, the spelling and the flags of the asker', async () => {
  const { forwarder } = world();
  const { id, questions, answers, flag_aa, flag_rd, flag_ra } = decode(
    await forwarder.forward(query('Www.Example.com', 'A', { id: 99 }), 512),
  );
  assert.deepEqual([id, questions?.[0]?.name, flag_aa, flag_rd, flag_ra], [99, 'Www.Example.com', false, true, true]);
  assert.deepEqual(answers, [
    { name: 'Www.Example.com', type: 'A', ttl: 20, class: 'IN', flush: false, data: '192.0.2.1' },
  ]);
});

test('many who ask the same at once are one question; later ones hear what was kept, a little older', async () => {
  const { forwarder, clock, asked } = world();
  await Promise.all(['a.example', 'A.Example', 'a.example'].map((name) => forwarder.forward(query(name), 512)));
  assert.deepEqual(asked, ['10.0.0.1 a.example']);
  await clock.advance(7000);
  const { answers } = decode(await forwarder.forward(query('a.example'), 512));
  assert.equal(answers?.[0] && 'ttl' in answers[0] && answers[0].ttl, 13);
  assert.equal(asked.length, 1);
  await clock.advance(13_000);
  await forwarder.forward(query('a.example'), 512);
  assert.equal(asked.length, 2);
});

test('who speaks EDNS gets an answer with EDNS, and who does not gets one without', async () => {
  const { forwarder, asked } = world();
  const options = async (one: Query): Promise<number | undefined> =>
    decode(await forwarder.forward(one, 512)).additionals?.length;
  assert.equal(await options(query('a.example', 'A', { edns: { size: 1232 } })), 1);
  assert.equal(await options(query('a.example')), 0);
  assert.equal(asked.length, 2);
});

test('a resolver that fails or says nothing useful is passed over for the next', async () => {
  const { forwarder, asked } = world((server, message) => {
    if (server === '10.0.0.1') throw new Error('silent');
    return replyTo(message, ['192.0.2.2']);
  });
  assert.equal(rcodeOf(await forwarder.forward(query('a.example'), 512)), 0);
  assert.deepEqual(asked, ['10.0.0.1 a.example', '10.0.0.2 a.example']);
});

test('nobody knows: SERVFAIL, and no further question for two seconds', async () => {
  const { forwarder, clock, asked } = world((_, message) => replyTo(message, [], 2));
  assert.equal(rcodeOf(await forwarder.forward(query('a.example'), 512)), 2);
  assert.equal(asked.length, 4);
  assert.equal(rcodeOf(await forwarder.forward(query('a.example'), 512)), 2);
  assert.equal(asked.length, 4);
  await clock.advance(2000);
  await forwarder.forward(query('a.example'), 512);
  assert.equal(asked.length, 8);
});

test('a host without resolvers: SERVFAIL at once', async () => {
  const { forwarder } = world(answering, { upstreams: async () => [] });
  assert.equal(rcodeOf(await forwarder.forward(query('a.example'), 512)), 2);
});

test('no more questions leave than the budget has', async () => {
  const { forwarder, clock, asked } = world(answering, { budget: { perSecond: 10, burst: 5 } });
  const names = Array.from({ length: 50 }, (_, at) => `n${at}.example`);
  const codes = await Promise.all(names.map(async (name) => rcodeOf(await forwarder.forward(query(name), 512))));
  assert.equal(asked.length, 5);
  assert.equal(codes.filter((code) => code === 2).length, 45);
  await clock.advance(3000);
  await forwarder.forward(query('later.example'), 512);
  assert.equal(asked.length, 6);
});

test('no more than 256 questions wait at once', async () => {
  const gate = Promise.withResolvers<void>();
  const { forwarder, asked } = world(async (_, message) => {
    await gate.promise;
    return replyTo(message, []);
  });
  const names = Array.from({ length: 300 }, (_, at) => `n${at}.example`);
  const answers = names.map((name) => forwarder.forward(query(name), 512));
  assert.deepEqual((await Promise.all(answers.slice(256))).map(rcodeOf), Array(44).fill(2));
  gate.resolve();
  await Promise.all(answers);
  assert.equal(asked.length, 256);
});

test('our own question that comes back to us waits for itself instead of going round', async () => {
  let back: Promise<Buffer> | undefined;
  const { forwarder, asked } = world((server, message) => {
    const parsed = parseQuery(message);
    if (server !== '10.0.0.1' || !parsed || 'error' in parsed) throw new Error('not the loop');
    back ??= forwarder.forward(parsed.query, 512);
    throw new Error('no answer in time');
  });
  assert.equal(rcodeOf(await forwarder.forward(query('loop.example'), 512)), 2);
  assert.ok(back);
  assert.equal(rcodeOf(await back), 2);
  assert.equal(asked.length, 4);
});

test('what does not fit is cut to nothing, with the flag that says so', async () => {
  const ips = Array.from({ length: 60 }, (_, at) => `192.0.2.${at}`);
  const { forwarder } = world((_, message) => replyTo(message, ips));
  const { flag_tc, answers } = decode(await forwarder.forward(query('big.example'), 512));
  assert.deepEqual([flag_tc, answers], [true, []]);
  assert.equal(decode(await forwarder.forward(query('big.example'), 65_535)).answers?.length, 60);
});

test('the end of an alias: its addresses, or that there is none', async () => {
  const alias = query('outer.default.svc.cluster.local');
  assert.deepEqual(await world().forwarder.follow('www.example.com', alias), {
    rcode: 'NOERROR',
    answers: [{ name: 'www.example.com', ttl: 20, type: 'A', data: '192.0.2.1' }],
  });
  const missing = world((_, message) => replyTo(message, [], 3)).forwarder;
  assert.deepEqual(await missing.follow('www.example.com', alias), { rcode: 'NXDOMAIN', answers: [] });
  const silent = world(() => Promise.reject(new Error('silent'))).forwarder;
  assert.deepEqual(await silent.follow('www.example.com', alias), { rcode: 'SERVFAIL', answers: [] });
});
