// Answers of other servers for as long as they may be kept, their remaining time written into them.
import type { Clock } from '../../../host/clock.ts';
import { type ReplyFacts, readReply } from '../rules/reply.ts';

export interface ReplyCache {
  get(key: string): Buffer | undefined;
  put(key: string, reply: Buffer): void;
}

interface Kept {
  readonly reply: Buffer;
  readonly facts: ReplyFacts;
  readonly atMs: number;
}

const maxReplies = 2048;
const maxReplyBytes = 4096;

export function createReplyCache(clock: Pick<Clock, 'now'>): ReplyCache {
  const kept = new Map<string, Kept>();
  return {
    get(key) {
      const known = kept.get(key);
      if (!known) return undefined;
      const ageSeconds = Math.floor((clock.now() - known.atMs) / 1000);
      if (ageSeconds < known.facts.ttlSeconds) return aged(known, ageSeconds);
      kept.delete(key);
      return undefined;
    },
    put(key, reply) {
      const facts = reply.length <= maxReplyBytes ? readReply(reply) : undefined;
      if (!facts || facts.ttlSeconds <= 0) return;
      const [oldest] = kept.size >= maxReplies ? kept.keys() : [];
      if (oldest !== undefined) kept.delete(oldest);
      kept.delete(key);
      kept.set(key, { reply, facts, atMs: clock.now() });
    },
  };
}

function aged({ reply, facts }: Kept, seconds: number): Buffer {
  const copy = Buffer.from(reply);
  for (const at of facts.ttlsAt) copy.writeUInt32BE(Math.max(0, copy.readUInt32BE(at) - seconds), at);
  return copy;
}
