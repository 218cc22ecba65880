// How a flood of events becomes few: the same ones are counted, similar ones combined, noisy objects silenced.

/** Distinct messages of similar events, lately. */
export interface Similar {
  readonly messages: ReadonlySet<string>;
  readonly lastMs: number;
}

const distinctMessages = 10;
const similarForMs = 600_000;

/** From the tenth distinct message within ten minutes on, similar events are one. */
export function noteSimilar(
  known: Similar | undefined,
  message: string,
  nowMs: number,
): { similar: Similar; isCombined: boolean } {
  const fresh = known && nowMs - known.lastMs <= similarForMs ? known.messages : new Set<string>();
  const messages = new Set([...fresh, message]);
  if (messages.size < distinctMessages) return { similar: { messages, lastMs: nowMs }, isCombined: false };
  return { similar: { messages: new Set([...messages].slice(1)), lastMs: nowMs }, isCombined: true };
}

/** What an object may still say. */
export interface Allowance {
  readonly tokens: number;
  readonly atMs: number;
}

const burst = 25;
const refillMs = 300_000;

/** 25 events at once, then one every five minutes. */
export function spend(known: Allowance | undefined, nowMs: number): { allowance: Allowance; isAllowed: boolean } {
  const { tokens, atMs } = known ?? { tokens: burst, atMs: nowMs };
  const refilled = Math.min(burst, tokens + (nowMs - atMs) / refillMs);
  const isAllowed = refilled >= 1;
  return { allowance: { tokens: isAllowed ? refilled - 1 : refilled, atMs: nowMs }, isAllowed };
}
