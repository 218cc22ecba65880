// Questions and answers as bytes (RFC 1035, EDNS of RFC 6891). Whatever comes in is hostile: nothing here throws, loops or allocates by its word.
import { type Answer, decode, encode, RECURSION_AVAILABLE } from 'dns-packet';
import type { DnsRecord } from './model.ts';

export const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
export type Rcode = keyof typeof rcodes;

export interface Query {
  readonly id: number;
  /** Lower case, without the last dot; the root is "". A dot inside a label is written "\.". */
  readonly name: string;
  /** "A", "AAAA", "UNKNOWN_65" */
  readonly type: string;
  readonly class: string;
  /** The question as it came, case included. */
  readonly question: Buffer;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  readonly edns: { readonly size: number; readonly dnssec: boolean; readonly version: number } | undefined;
}

/** A message that no answer can be looked up for: it gets an error, or silence where even that would be wrong. */
export type Parsed = { readonly query: Query } | { readonly error: Buffer } | undefined;

export interface AnswerParts {
  readonly rcode: Rcode;
  readonly isAuthoritative: boolean;
  readonly answers?: readonly DnsRecord[];
  readonly authorities?: readonly DnsRecord[];
  readonly additionals?: readonly DnsRecord[];
  /** There is more than this. */
  readonly isTruncated?: boolean;
}

export const headerBytes = 12;
export const smallestPayload = 512;
/** What passes every network in one piece (DNS flag day 2020). */
export const largestPayload = 1232;

const isResponse = 0x8000;
const opcodeMask = 0x7800;
const authoritativeFlag = 0x0400;
const truncatedFlag = 0x0200;
const recursionFlag = 0x0100;
const checkingFlag = 0x0010;
const dnssecFlag = 0x8000;
const longestName = 255;
const pointerToQuestion = Buffer.from([0xc0, headerBytes]);

/** Reads one message. Answers, and what is shorter than a header, are not replied to: two servers could talk for ever. */
export function parseQuery(bytes: Buffer): Parsed {
  if (bytes.length < headerBytes) return undefined;
  const flags = bytes.readUInt16BE(2);
  if (flags & isResponse) return undefined;
  if (flags & opcodeMask) return { error: errorAnswer(bytes, 'NOTIMP') };
  // One question, no records but an OPT and a signature: the decoder would set aside room for as many as the header claims.
  const isPlain = bytes.readUInt16BE(4) === 1 && bytes.readUInt32BE(6) === 0 && bytes.readUInt16BE(10) <= 2;
  const name = isPlain ? readName(bytes, headerBytes) : undefined;
  if (!name || name.end + 4 > bytes.length) return { error: errorAnswer(bytes, 'FORMERR') };
  try {
    return { query: toQuery(bytes, flags, name) };
  } catch {
    return { error: errorAnswer(bytes, 'FORMERR') };
  }
}

function toQuery(bytes: Buffer, flags: number, name: { text: string; end: number }): Query {
  const { questions = [], additionals = [] } = decode(bytes);
  const options = additionals.filter((record) => record.type === 'OPT');
  const [option] = options;
  if (options.length > 1) throw new Error('Cannot read a message with two OPT records');
  return {
    id: bytes.readUInt16BE(0),
    name: name.text,
    type: questions[0]?.type ?? '',
    class: questions[0]?.class ?? '',
    question: bytes.subarray(headerBytes, name.end + 4),
    recursionDesired: (flags & recursionFlag) !== 0,
    checkingDisabled: (flags & checkingFlag) !== 0,
    edns: option && { size: option.udpPayloadSize, dnssec: option.flag_do, version: option.ednsVersion },
  };
}

/** A name of a question: it comes first, so a pointer in it can only be an attack. Undefined: not a name. */
export function readName(bytes: Buffer, from: number): { text: string; end: number } | undefined {
  const labels: string[] = [];
  let at = from;
  for (let length = bytes[at]; length !== 0; length = bytes[at]) {
    if (length === undefined || length > 63 || at + 1 + length - from > longestName) return undefined;
    labels.push(plainLabel(bytes.toString('latin1', at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return { text: labels.join('.'), end: at + 1 };
}

/** ASCII letters in lower case alone: other bytes are what they are. */
function plainLabel(label: string): string {
  if (!/[A-Z.]/.test(label)) return label;
  return label.replace(/[A-Z]+/g, (part) => part.toLowerCase()).replaceAll('.', '\\.');
}

/** A header with nothing behind it: for messages that cannot be read. */
function errorAnswer(bytes: Buffer, rcode: Rcode): Buffer {
  const answer = Buffer.alloc(headerBytes);
  bytes.copy(answer, 0, 0, 4);
  answer.writeUInt16BE(isResponse | (bytes.readUInt16BE(2) & (opcodeMask | recursionFlag)) | rcodes[rcode], 2);
  return answer;
}

/** How many bytes the asker takes over UDP. */
export function payloadLimit({ edns }: Query): number {
  return edns ? Math.min(Math.max(edns.size, smallestPayload), largestPayload) : smallestPayload;
}

/** An answer of at most `limit` bytes: what does not fit is left out and, unless it is an extra, TC says so. */
export function encodeAnswer(query: Query, parts: AnswerParts, limit: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  const option = optionRecord(query, parts.rcode);
  const chunks: Buffer[] = [header, query.question];
  let room = limit - headerBytes - query.question.length - option.length;
  const add = (records: readonly Buffer[]): number => {
    const from = chunks.length;
    for (const record of records) {
      if (record.length > room) break;
      chunks.push(record);
      room -= record.length;
    }
    return chunks.length - from;
  };
  const wire = (records: readonly DnsRecord[] = []): Buffer[] =>
    records.map((record) => encodeRecord(record, query.name));
  const answers = wire(parts.answers);
  const authorities = wire(parts.authorities);
  const counts = [add(answers), add(authorities), add(wire(parts.additionals))] as const;
  const isWhole = !parts.isTruncated && counts[0] === answers.length && counts[1] === authorities.length;
  if (option.length > 0) chunks.push(option);
  header.writeUInt16BE(query.id, 0);
  header.writeUInt16BE(flagsOf(query, parts) | (isWhole ? 0 : truncatedFlag), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(counts[0], 6);
  header.writeUInt16BE(counts[1], 8);
  header.writeUInt16BE(counts[2] + (option.length > 0 ? 1 : 0), 10);
  return Buffer.concat(chunks);
}

function flagsOf(query: Query, { rcode, isAuthoritative }: AnswerParts): number {
  return (
    isResponse |
    RECURSION_AVAILABLE |
    (isAuthoritative ? authoritativeFlag : 0) |
    (query.recursionDesired ? recursionFlag : 0) |
    (query.checkingDisabled ? checkingFlag : 0) |
    (rcodes[rcode] & 0xf)
  );
}

/** Bytes of records that were written before: a zone gives the same ones again and again. */
const written = new WeakMap<DnsRecord, Buffer>();

/** The record behind its owner's name: a pointer where the question asks for it, which also keeps the asker's spelling. */
function encodeRecord(record: DnsRecord, asked: string): Buffer {
  if (record.name === asked) return Buffer.concat([pointerToQuestion, encodeBody(record)]);
  const known = written.get(record);
  if (known) return known;
  const bytes = Buffer.concat([encodeName(record.name), encodeBody(record)]);
  written.set(record, bytes);
  return bytes;
}

/** Type, class, time to live and data: what follows the root's one-byte name behind the header of an otherwise empty message. */
function encodeBody(record: DnsRecord): Buffer {
  const message = encode({ type: 'response', answers: [{ ...record, name: '.' } as Answer] });
  return message.subarray(headerBytes + 1);
}

/** A question for another name, of the same type and class. */
export function questionFor(name: string, { question }: Query): Buffer {
  return Buffer.concat([encodeName(name), question.subarray(-4)]);
}

function encodeName(name: string): Buffer {
  return encode({ questions: [{ name, type: 'A' }] }).subarray(headerBytes, -4);
}

function optionRecord({ edns }: Query, rcode: Rcode): Buffer {
  if (!edns) return Buffer.alloc(0);
  const option = {
    ...{ type: 'OPT' as const, name: '.', udpPayloadSize: largestPayload, extendedRcode: rcodes[rcode] >> 4 },
    ...{ ednsVersion: 0, flags: edns.dnssec ? dnssecFlag : 0, flag_do: edns.dnssec, options: [] },
  };
  return encode({ additionals: [option] }).subarray(headerBytes);
}
