// Names outside the cluster: asked of the host's resolvers, each question once at a time, a bounded number of them, kept for a while.
import { type Answer, decode } from 'dns-packet';
import type { Clock } from '../../../host/clock.ts';
import type { Forwarder } from '../answerer.ts';
import { encodeAnswer, headerBytes, largestPayload, type Query, questionFor, type Rcode, rcodes } from '../message.ts';
import type { DnsRecord } from '../model.ts';
import { type Budget, type Purse, spend } from '../rules/budget.ts';
import { readReply } from '../rules/reply.ts';
import type { Exchange } from './exchange.ts';
import { createReplyCache } from './reply-cache.ts';

export interface ForwarderParts {
  readonly upstreams: () => Promise<readonly string[]>;
  readonly exchange: Exchange;
  readonly clock: Pick<Clock, 'now'>;
  /** For tests; what leaves for the host's resolvers. */
  readonly budget?: Budget;
}

/** That nobody knew is remembered for a moment: stub resolvers ask again at once (RFC 9520). */
const failureMs = 2000;
const maxFailures = 2048;
const usualBudget: Budget = { perSecond: 500, burst: 500 };
const maxUnderWay = 256;
/** A stub resolver asks again after five seconds: by then it must have heard of us. */
const totalMs = 4500;
const onceMs = 1500;
const rounds = 2;

export function createForwarder({ upstreams, exchange, clock, budget = usualBudget }: ForwarderParts): Forwarder {
  const cache = createReplyCache(clock);
  const underWay = new Map<string, Promise<Buffer | undefined>>();
  const failures = new Map<string, number>();
  let purse: Purse = { left: budget.burst, atMs: clock.now() };

  /** Everybody who asks the same waits for the same answer. That also breaks a loop: our own question, come back, waits for itself and ends. */
  function resolve(query: Query): Promise<Buffer | undefined> {
    const key = keyOf(query);
    const known = cache.get(key);
    if (known || hasFailed(key)) return Promise.resolve(known);
    const asked = underWay.get(key);
    if (asked !== undefined) return asked;
    if (underWay.size >= maxUnderWay) return Promise.resolve(undefined);
    const work = ask(query)
      .then((reply) => {
        if (reply) cache.put(key, reply);
        else rememberFailure(key);
        return reply;
      })
      .finally(() => underWay.delete(key));
    underWay.set(key, work);
    return work;
  }

  function hasFailed(key: string): boolean {
    const untilMs = failures.get(key);
    if (untilMs === undefined || clock.now() < untilMs) return untilMs !== undefined;
    failures.delete(key);
    return false;
  }

  function rememberFailure(key: string): void {
    if (failures.size >= maxFailures) failures.clear();
    failures.set(key, clock.now() + failureMs);
  }

  /** Every resolver in turn; one that refuses or fails is no better than one that is silent. Undefined: none knew. */
  async function ask(query: Query): Promise<Buffer | undefined> {
    const servers = await upstreams();
    const message = outgoing(query);
    const end = AbortSignal.timeout(totalMs);
    for (const server of Array.from({ length: rounds }, () => servers).flat()) {
      const next = spend(budget, purse, clock.now());
      if (!next || end.aborted) return undefined;
      purse = next;
      try {
        const reply = await exchange(server, message, AbortSignal.any([end, AbortSignal.timeout(onceMs)]));
        const code = reply.readUInt16BE(2) & 0xf;
        if (readReply(reply) && (code === rcodes.NOERROR || code === rcodes.NXDOMAIN)) return reply;
      } catch {
        // Silent or not there: the next one.
      }
    }
    return undefined;
  }

  return {
    async forward(query, limit) {
      const reply = await resolve(query);
      if (!reply) return encodeAnswer(query, { rcode: 'SERVFAIL', isAuthoritative: false }, limit);
      if (reply.length > limit)
        return encodeAnswer(query, { rcode: 'NOERROR', isAuthoritative: false, isTruncated: true }, limit);
      return addressed(reply, query);
    },
    async follow(target, query) {
      const reply = await resolve({ ...query, name: target, question: questionFor(target, query) });
      if (!reply) return { rcode: 'SERVFAIL', answers: [] };
      const rcode: Rcode = (reply.readUInt16BE(2) & 0xf) === rcodes.NXDOMAIN ? 'NXDOMAIN' : 'NOERROR';
      return { rcode, answers: recordsOf(reply) };
    },
  };
}

const recursionFlag = 0x0100;
const checkingFlag = 0x0010;

function keyOf({ question, edns, checkingDisabled }: Query): string {
  const asked = question.toString('latin1').toLowerCase();
  return `${edns ? 1 : 0}${edns?.dnssec ? 1 : 0}${checkingDisabled ? 1 : 0}${asked}`;
}

/** The same question, with EDNS where it came with EDNS: so the answer is one that the asker can read. */
function outgoing(query: Query): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(recursionFlag | (query.checkingDisabled ? checkingFlag : 0), 2);
  header.writeUInt16BE(1, 4);
  const { edns } = query;
  if (!edns) return Buffer.concat([header, query.question]);
  header.writeUInt16BE(1, 10);
  const option = Buffer.from([
    0,
    0,
    41,
    largestPayload >> 8,
    largestPayload & 0xff,
    0,
    0,
    edns.dnssec ? 0x80 : 0,
    0,
    0,
    0,
  ]);
  return Buffer.concat([header, query.question, option]);
}

/** Another server's answer with this asker's id, spelling and flags; never authoritative, for it comes from us. */
function addressed(reply: Buffer, query: Query): Buffer {
  const answer = Buffer.from(reply);
  answer.writeUInt16BE(query.id, 0);
  const flags = answer.readUInt16BE(2) & ~(0x0400 | recursionFlag | checkingFlag);
  const own = (query.recursionDesired ? recursionFlag : 0) | (query.checkingDisabled ? checkingFlag : 0) | 0x0080;
  answer.writeUInt16BE(flags | own, 2);
  query.question.copy(answer, headerBytes);
  return answer;
}

function recordsOf(reply: Buffer): DnsRecord[] {
  try {
    return (decode(reply).answers ?? []).flatMap(plainRecord);
  } catch {
    return [];
  }
}

/** Those that an alias of ours may lead to and that the codec writes as it read them. */
function plainRecord(answer: Answer): DnsRecord[] {
  const { name, type } = answer;
  if (type !== 'A' && type !== 'AAAA' && type !== 'CNAME') return [];
  return [{ name: name.toLowerCase(), ttl: answer.ttl ?? 0, type, data: answer.data }];
}
