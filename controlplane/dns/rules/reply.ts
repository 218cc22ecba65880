// What has to be known of another server's answer to keep it and pass it on, read from its bytes: the records in it stay untouched.

export interface ReplyFacts {
  /** Where the question ends and the records begin. */
  readonly questionEnd: number;
  /** Where each record's time to live stands; an OPT has none. */
  readonly ttlsAt: readonly number[];
  /** For how long it may be kept; zero: not at all. */
  readonly ttlSeconds: number;
}

const headerBytes = 12;
const optType = 41;
const soaType = 6;
const maxRecords = 4096;
/** Longer than this nobody waits for a change in the world outside. */
const longestTtlSeconds = 30;

/** Undefined where the bytes are no answer with one question. Reads each byte at most once. */
export function readReply(bytes: Buffer): ReplyFacts | undefined {
  if (bytes.length < headerBytes || (bytes.readUInt16BE(2) & 0x8000) === 0 || bytes.readUInt16BE(4) !== 1)
    return undefined;
  const answers = bytes.readUInt16BE(6);
  const count = answers + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  const questionEnd = skipName(bytes, headerBytes) + 4;
  if (count > maxRecords) return undefined;
  const ttlsAt: number[] = [];
  let ttl = Number.POSITIVE_INFINITY;
  let hasSoa = false;
  let at = questionEnd;
  for (let left = count; left > 0; left--) {
    at = skipName(bytes, at);
    if (at + 10 > bytes.length) return undefined;
    const end = at + 10 + bytes.readUInt16BE(at + 8);
    if (end > bytes.length) return undefined;
    const type = bytes.readUInt16BE(at);
    if (type !== optType) {
      ttlsAt.push(at + 4);
      ttl = Math.min(ttl, bytes.readUInt32BE(at + 4));
    }
    if (type === soaType && end - at > 14) {
      hasSoa = true;
      // "No such name" may be believed as long as the zone's last number says (RFC 2308).
      if (answers === 0) ttl = Math.min(ttl, bytes.readUInt32BE(end - 4));
    }
    at = end;
  }
  if (questionEnd > bytes.length) return undefined;
  return { questionEnd, ttlsAt, ttlSeconds: lifetime(bytes.readUInt16BE(2), answers > 0 || hasSoa, ttl) };
}

function lifetime(flags: number, isComplete: boolean, ttl: number): number {
  const rcode = flags & 0xf;
  const isTruncated = (flags & 0x0200) !== 0;
  if (!isComplete || isTruncated || (rcode !== 0 && rcode !== 3)) return 0;
  return Math.min(ttl, longestTtlSeconds);
}

/** The end of a name; past the end of the bytes where it is broken. A pointer ends it. */
function skipName(bytes: Buffer, from: number): number {
  let at = from;
  for (let length = bytes[at]; length !== undefined; length = bytes[at]) {
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    at += 1 + length;
  }
  return bytes.length + 1;
}
