// The query of /containerLogs: what PodLogOptions says, checked as the API checks it.

export interface LogOptions {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  /** "1700000000.000000001": seconds and nanoseconds since 1970. */
  readonly since: string | undefined;
  readonly tail: number | undefined;
  readonly limitBytes: number | undefined;
}

export type LogQueryAnswer =
  | { readonly options: LogOptions }
  | { readonly code: 400 | 422; readonly body: { readonly message: string } };

const undecodable: LogQueryAnswer = { code: 400, body: { message: 'Unable to decode query.' } };
const invalid: LogQueryAnswer = { code: 422, body: { message: 'Invalid request.' } };

const truths: ReadonlyMap<string, boolean> = new Map([
  ['', true],
  ['1', true],
  ['true', true],
  ['0', false],
  ['false', false],
]);

class Undecodable extends Error {}

export function parseLogQuery(query: URLSearchParams, nowMs: number): LogQueryAnswer {
  try {
    return check(query, nowMs);
  } catch (error) {
    if (error instanceof Undecodable) return undecodable;
    throw error;
  }
}

function check(query: URLSearchParams, nowMs: number): LogQueryAnswer {
  const follow = flag(query, 'follow');
  const previous = flag(query, 'previous');
  const timestamps = flag(query, 'timestamps');
  const sinceSeconds = integer(query, 'sinceSeconds');
  const sinceTime = time(query, 'sinceTime');
  const tail = integer(query, 'tailLines') ?? legacyTail(query);
  const limitBytes = integer(query, 'limitBytes');
  const stream = query.get('stream') ?? 'All';
  if (stream !== 'All' && stream !== '') return invalid;
  if (sinceSeconds !== undefined && (sinceSeconds < 1 || sinceTime !== undefined)) return invalid;
  if (tail !== undefined && tail < 0) return invalid;
  if (limitBytes !== undefined && limitBytes < 1) return invalid;
  const since = sinceSeconds === undefined ? sinceTime : stamp(nowMs - sinceSeconds * 1000);
  return { options: { follow, previous, timestamps, since, tail, limitBytes } };
}

function flag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  if (text === null) return false;
  const truth = truths.get(text.toLowerCase());
  if (truth === undefined) throw new Undecodable();
  return truth;
}

function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const number = Number(text);
  if (!/^-?\d{1,18}$/.test(text) || !Number.isSafeInteger(number)) throw new Undecodable();
  return number;
}

/** The older name, which also knows "all". */
function legacyTail(query: URLSearchParams): number | undefined {
  return query.get('tail') === 'all' ? undefined : integer(query, 'tail');
}

const rfc3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

function time(query: URLSearchParams, name: string): string | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const [, whole, fraction = '', zone] = rfc3339.exec(text) ?? [];
  const ms = Date.parse(`${whole}${zone}`);
  if (Number.isNaN(ms)) throw new Undecodable();
  return `${ms / 1000}.${fraction.padEnd(9, '0')}`;
}

/** Milliseconds since 1970, as the engine reads a time. Never before 1970. */
function stamp(ms: number): string {
  const whole = Math.max(0, ms);
  return `${Math.floor(whole / 1000)}.${String(whole % 1000).padStart(3, '0')}000000`;
}
