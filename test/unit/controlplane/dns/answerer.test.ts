// Messages in, messages out: spelling, sizes, refusals, turns; and whatever hostile bytes may do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, type RecordType } from 'dns-packet';
import fc from 'fast-check';
import { type Answerer, createAnswerer, type Forwarder } from '../../../../controlplane/dns/answerer.ts';
import { encodeAnswer } from '../../../../controlplane/dns/message.ts';
import { type AskParts, ask, world } from '../../../builders/dns.ts';

const forwarder: Forwarder = {
  forward: async (query, limit) => encodeAnswer(query, { rcode: 'SERVFAIL', isAuthoritative: false }, limit),
  follow: async (target) => ({ rcode: 'NOERROR', answers: [{ name: target, ttl: 60, type: 'A', data: '192.0.2.1' }] }),
};

function server(zone = world()): Answerer {
  return createAnswerer({ zone, forwarder });
}

async function reply(answerer: Answerer, message: Buffer, transport: 'udp' | 'tcp' = 'udp') {
  const bytes = await answerer.answer(message, transport);
  assert.ok(bytes);
  const rcode = bytes.readUInt16BE(2) & 0xf;
  return { ...decode(bytes), bytes, rcode };
}

const hello = 'hello.default.svc.cluster.local';
const rcodeOf = async (name: string, type: RecordType | 'ANY', parts: AskParts = {}): Promise<number> =>
  (await reply(server(), ask(name, type, parts))).rcode;

test('the answer has the id, the flags and the spelling of the question', async () => {
  const answerer = server();
  for (const id of [1, 2]) {
    const { flags, answers, questions, ...rest } = await reply(
      answerer,
      ask('HeLLo.default.svc.CLUSTER.local', 'A', { id }),
    );
    assert.equal(rest.id, id);
    assert.equal(questions?.[0]?.name, 'HeLLo.default.svc.CLUSTER.local');
    assert.deepEqual(
      answers?.map(({ name, type }) => [name, type]),
      [['HeLLo.default.svc.CLUSTER.local', 'A']],
    );
    assert.deepEqual([rest.flag_aa, rest.flag_rd, rest.flag_ra, rest.flag_tc], [true, true, true, false]);
    assert.equal(flags && flags & 0xf, 0);
  }
});

test('a change of the zone is heard at once, although answers are kept', async () => {
  const zone = world();
  const answerer = server(zone);
  const address = async () => (await reply(answerer, ask(hello))).answers?.map((one) => 'data' in one && one.data);
  assert.deepEqual(await address(), ['10.96.0.5']);
  zone.put('service/hello', [{ name: hello, ttl: 5, type: 'A', data: '10.96.0.9' }]);
  assert.deepEqual(await address(), ['10.96.0.9']);
  zone.remove('service/hello');
  assert.equal((await reply(answerer, ask(hello))).rcode, 3);
});

test('several addresses take turns, behind their alias', async () => {
  const answerer = server();
  const first = async () => {
    const { answers } = await reply(answerer, ask('web.default.svc.cluster.local'));
    const [one] = answers ?? [];
    return one && 'data' in one ? one.data : undefined;
  };
  assert.deepEqual(new Set([await first(), await first()]), new Set(['10.244.0.1', '10.244.0.2']));
});

test('an alias out of the cluster is followed there', async () => {
  const { answers, flag_aa } = await reply(server(), ask('outer.default.svc.cluster.local'));
  assert.deepEqual(
    answers?.map(({ name, type }) => [name, type]),
    [
      ['outer.default.svc.cluster.local', 'CNAME'],
      ['www.example.com', 'A'],
    ],
  );
  assert.equal(flag_aa, true);
});

test('what is not for us is refused in the words of the protocol', async () => {
  assert.equal(await rcodeOf(hello, 'A', { class: 'CH' }), 5);
  assert.equal(await rcodeOf('cluster.local', 'AXFR'), 5);
  assert.equal(await rcodeOf('www.example.com', 'A'), 2);
  const versioned = await reply(server(), ask(hello, 'A', { edns: { size: 1232, version: 1 } }));
  const option = versioned.additionals?.find(({ type }) => type === 'OPT');
  assert.equal(versioned.rcode, 0);
  assert.equal(option?.type === 'OPT' && option.extendedRcode, 1);
  const update = ask(hello);
  update.writeUInt16BE(5 << 11, 2);
  assert.equal((await server().answer(update, 'udp'))?.readUInt16BE(2), 0x8000 | (5 << 11) | 4);
});

test('answers are never answered', async () => {
  const answer = await server().answer(ask(hello), 'udp');
  assert.ok(answer);
  assert.equal(await server().answer(answer, 'udp'), undefined);
  assert.equal(await server().answer(Buffer.alloc(11), 'udp'), undefined);
});

test('an answer fits what the client takes, and says when it is cut; TCP carries all', async () => {
  const zone = world();
  const many = 'many.default.svc.cluster.local';
  const data = Array.from({ length: 300 }, (_, at) => `10.1.${at >> 8}.${at & 255}`);
  zone.put(
    'service/many',
    data.map((ip) => ({ name: many, ttl: 5, type: 'A', data: ip })),
  );
  const answerer = server(zone);
  const sizes: [number | undefined, number, boolean][] = [];
  for (const size of [undefined, 100, 800, 65_535]) {
    const { bytes, flag_tc } = await reply(answerer, ask(many, 'A', size ? { edns: { size } } : {}));
    const limit = Math.min(Math.max(size ?? 512, 512), 1232);
    assert.ok(bytes.length <= limit && bytes.length > limit - 16, `${bytes.length} of ${limit}`);
    sizes.push([size, limit, flag_tc]);
  }
  assert.ok(sizes.every(([, , isCut]) => isCut));
  const whole = await reply(answerer, ask(many), 'tcp');
  assert.equal(whole.answers?.length, 300);
  assert.equal(whole.flag_tc, false);
});

test('extras are left out without a word', async () => {
  const zone = world();
  const targets = Array.from({ length: 7 }, (_, at) => `host-${at}.srv.default.svc.cluster.local`);
  const name = 'srv.default.svc.cluster.local';
  zone.put('service/srv', [
    ...targets.map((target) => ({
      ...{ name, ttl: 5, type: 'SRV' as const },
      data: { priority: 0, weight: 1, port: 1, target },
    })),
    ...targets.map((target) => ({ name: target, ttl: 5, type: 'A' as const, data: '10.0.0.1' })),
  ]);
  const { answers, additionals, flag_tc } = await reply(server(zone), ask(name, 'SRV'));
  assert.equal(answers?.length, 7);
  assert.equal(flag_tc, false);
  assert.ok((additionals?.length ?? 7) < 7);
});

const labels = fc.stringMatching(/^[a-z0-9_-]{1,20}$/);
const names = fc.oneof(
  fc.constantFrom(hello, 'cluster.local', 'outer.default.svc.cluster.local', '.', 'default.pod.cluster.local'),
  fc.array(labels, { maxLength: 6 }).map((list) => [...list, 'cluster.local'].join('.')),
);
const types = fc.constantFrom<RecordType>('A', 'AAAA', 'SRV', 'PTR', 'TXT', 'SOA', 'NS', 'CNAME', 'OPT', 'TSIG');

/** Bytes of a good question with some of them changed, and cut anywhere. */
const broken = fc
  .tuple(names, types, fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 6 }), fc.nat(120), fc.boolean())
  .map(([name, type, changes, length, withEdns]) => {
    const message = ask(name, type, withEdns ? { edns: { size: 4096 } } : {});
    for (const [at, value] of changes) if (at < message.length) message[at] = value;
    return message.subarray(0, Math.max(0, message.length - (length > 60 ? 0 : length)));
  });

/** A name that points to itself, to what follows, or to the header. */
const looping = fc.tuple(fc.nat(0x3fff), fc.uint8Array({ maxLength: 40 })).map(([target, rest]) => {
  const header = encode({ questions: [] });
  header.writeUInt16BE(1, 4);
  return Buffer.concat([header, Buffer.from([0xc0 | (target >> 8), target & 0xff, 0, 1, 0, 1]), rest]);
});

test('no message makes it throw or fall silent in the wrong place, and every answer can be read', async () => {
  const answerer = server();
  const messages = fc.oneof(fc.uint8Array({ maxLength: 200 }).map(Buffer.from), broken, looping);
  await fc.assert(
    fc.asyncProperty(messages, async (message) => {
      const answer = await answerer.answer(message, 'udp');
      const isQuestion = message.length >= 12 && (message.readUInt16BE(2) & 0x8000) === 0;
      assert.equal(answer !== undefined, isQuestion);
      if (!answer) return;
      assert.ok(answer.length <= 1232);
      assert.equal(answer.readUInt16BE(0), message.readUInt16BE(0));
      assert.equal(answer.readUInt16BE(2) & 0x8000, 0x8000);
      decode(answer);
    }),
    { numRuns: 3000 },
  );
});

test('a header that claims 65,535 records costs nothing', () => {
  const answerer = server();
  const message = Buffer.alloc(12, 0xff);
  message.writeUInt16BE(0, 2);
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < 1000; at++) {
    message.writeUInt16BE(at, 0);
    assert.equal((answerer.answer(message, 'udp') as Buffer).readUInt16BE(2) & 0xf, 1);
  }
  assert.ok(process.memoryUsage().heapUsed - before < 64 * 1024 * 1024);
});
