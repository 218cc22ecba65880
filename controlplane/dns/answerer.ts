// One message in, one out: from the zone at once, from the host's resolvers later, silence where no answer is due.
import { type AnswerParts, encodeAnswer, parseQuery, payloadLimit, type Query, type Rcode } from './message.ts';
import type { DnsRecord, Found, Zone } from './model.ts';
import { lookUp } from './rules/lookup.ts';

export type Transport = 'udp' | 'tcp';

export interface Answerer {
  /** Never throws and never rejects. */
  answer(message: Buffer, transport: Transport): Buffer | undefined | Promise<Buffer | undefined>;
}

/** Asks elsewhere what is not the cluster's. Never rejects: what cannot be had is SERVFAIL. */
export interface Forwarder {
  /** The answer to this very query, at most `limit` bytes. */
  forward(query: Query, limit: number): Promise<Buffer>;
  /** The end of a chain of aliases that leads out of the cluster. */
  follow(target: string, query: Query): Promise<{ readonly rcode: Rcode; readonly answers: readonly DnsRecord[] }>;
}

export interface AnswererParts {
  readonly zone: Zone & { generation(): number };
  readonly forwarder: Forwarder;
}

const largestMessage = 65_535;
/** Ready answers, by question: pods ask the same few names again and again. */
const keptAnswers = 1024;

export function createAnswerer({ zone, forwarder }: AnswererParts): Answerer {
  // Two generations: when the young one is full it becomes the old one, and what nobody asked for since is gone.
  let young = new Map<string, Buffer>();
  let old = new Map<string, Buffer>();
  let madeFrom = zone.generation();
  let turn = 0;

  function keep(key: string, answer: Buffer): void {
    if (young.size >= keptAnswers) {
      old = young;
      young = new Map();
    }
    young.set(key, answer);
  }

  function recall(message: Buffer, key: string): Buffer | undefined {
    if (madeFrom !== zone.generation()) {
      young = new Map();
      old = young;
      madeFrom = zone.generation();
    }
    const known = young.get(key) ?? old.get(key);
    if (!known) return undefined;
    const answer = Buffer.from(known);
    message.copy(answer, 0, 0, 2);
    return answer;
  }

  function refusal({ edns, class: class_, type }: Query): AnswerParts | undefined {
    if (edns && edns.version > 0) return { rcode: 'BADVERS', isAuthoritative: false };
    const isRefused = class_ !== 'IN' || type === 'AXFR' || type === 'IXFR';
    return isRefused ? { rcode: 'REFUSED', isAuthoritative: false } : undefined;
  }

  function own(query: Query, found: Found, limit: number, key: string): Buffer | Promise<Buffer> {
    const { rcode, authorities, additionals } = found;
    const answers = rotated(found.answers, turn++);
    const parts: AnswerParts = { rcode, isAuthoritative: true, answers, authorities, additionals };
    const { leadsTo } = found;
    if (leadsTo !== undefined) {
      return forwarder
        .follow(leadsTo, query)
        .then(({ rcode: end, answers: rest }) =>
          encodeAnswer(query, { ...parts, rcode: end, answers: [...answers, ...rest] }, limit),
        );
    }
    const answer = encodeAnswer(query, parts, limit);
    // Answers of several records take turns, so they are made anew.
    if (answers.length < 2) keep(key, answer);
    return answer;
  }

  return {
    answer(message, transport) {
      const key = `${transport}${message.toString('latin1', 2)}`;
      const known = recall(message, key);
      if (known) return known;
      const parsed = parseQuery(message);
      if (!parsed) return undefined;
      if ('error' in parsed) return parsed.error;
      const { query } = parsed;
      const limit = transport === 'udp' ? payloadLimit(query) : largestMessage;
      const refused = refusal(query);
      if (refused) return encodeAnswer(query, refused, limit);
      const found = lookUp(zone, query.name, query.type);
      return found ? own(query, found, limit, key) : forwarder.forward(query, limit);
    },
  };
}

/** Spreads clients that take the first: each answer begins with another record. Aliases stay in front. */
function rotated<T extends { readonly type: string }>(records: readonly T[], turn: number): readonly T[] {
  const from = records.findIndex(({ type }) => type !== 'CNAME');
  const count = records.length - from;
  if (from < 0 || count < 2) return records;
  const start = from + (turn % count);
  return [...records.slice(0, from), ...records.slice(start), ...records.slice(from, start)];
}
