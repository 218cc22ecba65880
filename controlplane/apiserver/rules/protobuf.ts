// Reads Kubernetes' protobuf bodies by table: field numbers come from the schema, no generated code.
import { type JsonObject, put } from '../model.ts';
import type { Field, Schema, Type } from './schema.ts';

interface WireField {
  readonly name: string;
  readonly type: string;
  readonly pointer: boolean;
}
/** What a field number means: a field, or a nested message whose fields JSON flattens. */
type Slot = WireField | { readonly inline: WireTable };
type WireTable = ReadonlyMap<number, Slot>;

/** A body that is not what its envelope says. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

const magic = Buffer.from('k8s\0', 'latin1');
const maxDepth = 64;
/** Types that carry raw JSON in field 1. */
const rawJson = new Set(['runtime.RawExtension', 'meta/v1.FieldsV1', 'apiextensions/v1.JSON']);
const special = new Set(['quantity', 'time', 'microtime', 'int-or-string']);

export interface Decoder {
  /** Reads an envelope into the object with its apiVersion and kind. Throws `WireError`. */
  decode(body: Buffer): JsonObject;
}

class Reader {
  readonly bytes: Buffer;
  offset = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get more(): boolean {
    return this.offset < this.bytes.length;
  }

  varint(): bigint {
    let result = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.offset++];
      if (byte === undefined) break;
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, result);
    }
    throw new WireError('unexpected end of protobuf data');
  }

  /** The payload of one field: an integer, or bytes. */
  payload(wireType: number): bigint | Buffer {
    if (wireType === 0) return this.varint();
    const length = wireType === 2 ? Number(this.varint()) : wireType === 1 ? 8 : wireType === 5 ? 4 : -1;
    if (length < 0 || this.offset + length > this.bytes.length) throw new WireError('unexpected end of protobuf data');
    this.offset += length;
    return this.bytes.subarray(this.offset - length, this.offset);
  }
}

function* fieldsOf(bytes: Buffer): Generator<[number, bigint | Buffer]> {
  const reader = new Reader(bytes);
  while (reader.more) {
    const tag = Number(reader.varint());
    yield [tag >>> 3, reader.payload(tag & 7)];
  }
}

const asBytes = (payload: bigint | Buffer | undefined): Buffer => {
  if (payload === undefined) return Buffer.alloc(0);
  if (typeof payload === 'bigint') throw new WireError('wrong wire type: want bytes');
  return payload;
};
const asNumber = (payload: bigint | Buffer | undefined): number => (typeof payload === 'bigint' ? Number(payload) : 0);

function timeOf(message: ReadonlyMap<number, bigint | Buffer>, micro: boolean): string | undefined {
  const seconds = asNumber(message.get(1));
  const nanos = asNumber(message.get(2));
  if (seconds === 0 && nanos === 0) return undefined;
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  return micro ? `${text}.${String(Math.trunc(nanos / 1000)).padStart(6, '0')}Z` : `${text}Z`;
}

function specialOf(scalar: string, bytes: Buffer): unknown {
  const message = new Map(fieldsOf(bytes));
  if (scalar === 'quantity') return asBytes(message.get(1)).toString('utf8');
  if (scalar === 'int-or-string') {
    return asNumber(message.get(1)) === 0 ? asNumber(message.get(2)) : asBytes(message.get(3)).toString('utf8');
  }
  return timeOf(message, scalar === 'microtime');
}

function scalarOf(scalar: string, payload: bigint | Buffer): unknown {
  if (special.has(scalar)) return specialOf(scalar, asBytes(payload));
  switch (scalar) {
    case 'string':
      return asBytes(payload).toString('utf8');
    case 'string:byte':
      return asBytes(payload).toString('base64');
    case 'boolean':
      return payload !== 0n;
    case 'number:double':
      return asBytes(payload).readDoubleLE();
    default:
      return asNumber(payload);
  }
}

const isZero = (value: unknown): boolean => value === '' || value === 0 || value === false || value === undefined;

export function createDecoder(schema: Schema): Decoder {
  const tables = new Map<string, WireTable>();

  function tableOf(typeName: string): WireTable {
    const known = tables.get(typeName);
    if (known) return known;
    const type = schema.type(typeName);
    const table = buildTable(type, type);
    tables.set(typeName, table);
    return table;
  }

  /** `inner` has the numbers, `outer` the JSON types: they differ where a message is flattened. */
  function buildTable(inner: Type | undefined, outer: Type | undefined): WireTable {
    const table = new Map<number, Slot>();
    for (const [name, field] of Object.entries(inner?.fields ?? {})) {
      if (field.wire !== undefined) table.set(field.wire, slotOf(name, field, outer?.fields?.[name] ?? field));
    }
    for (const [number, name] of inner?.wireInline ?? []) {
      table.set(number, { inline: buildTable(schema.type(`wire:${name}`) ?? schema.type(name), outer) });
    }
    return table;
  }

  function slotOf(name: string, field: Field, json: Field): WireField {
    return { name, type: json.type ?? 'string', pointer: field.pointer ?? field.go?.startsWith('*') ?? false };
  }

  function readInto(result: JsonObject, table: WireTable, bytes: Buffer, depth: number): void {
    if (depth > maxDepth) throw new WireError('exceeded max depth');
    for (const [number, payload] of fieldsOf(bytes)) {
      const slot = table.get(number);
      if (!slot) continue;
      if ('inline' in slot) readInto(result, slot.inline, asBytes(payload), depth + 1);
      else readField(result, slot, payload, depth);
    }
  }

  function readField(result: JsonObject, slot: WireField, payload: bigint | Buffer, depth: number): void {
    const shape = schema.shape(slot.type);
    if (shape.kind === 'list') {
      const list = (result[slot.name] as unknown[] | undefined) ?? [];
      list.push(readValue(shape.item, payload, depth));
      result[slot.name] = list;
    } else if (shape.kind === 'map') {
      const map = (result[slot.name] as JsonObject | undefined) ?? {};
      const entry = new Map(fieldsOf(asBytes(payload)));
      put(map, asBytes(entry.get(1)).toString('utf8'), mapValue(shape.item, entry.get(2), depth));
      result[slot.name] = map;
    } else {
      const value = readValue(slot.type, payload, depth);
      // Go writes zeros of plain fields; only a pointer says that the zero was meant.
      if (value !== undefined && (slot.pointer || shape.kind === 'struct' || !isZero(value))) result[slot.name] = value;
    }
  }

  /** A list inside a map is a message of its own on the wire, with the items in field 1. */
  function mapValue(item: string, payload: bigint | Buffer | undefined, depth: number): unknown {
    const shape = schema.shape(item);
    if (shape.kind !== 'list') return readValue(item, payload ?? Buffer.alloc(0), depth);
    return [...fieldsOf(asBytes(payload))].filter(([n]) => n === 1).map(([, one]) => readValue(shape.item, one, depth));
  }

  function readValue(type: string, payload: bigint | Buffer, depth: number): unknown {
    if (rawJson.has(type)) {
      const text = asBytes(new Map(fieldsOf(asBytes(payload))).get(1)).toString('utf8');
      return text === '' ? undefined : JSON.parse(text);
    }
    const shape = schema.shape(type);
    if (shape.kind === 'scalar') return scalarOf(shape.scalar, payload);
    const result: JsonObject = {};
    readInto(result, tableOf(type), asBytes(payload), depth + 1);
    return result;
  }

  function decode(body: Buffer): JsonObject {
    if (!body.subarray(0, 4).equals(magic))
      throw new WireError('provided data does not appear to be a protobuf message');
    const unknown = new Map(fieldsOf(body.subarray(4)));
    const meta = new Map(fieldsOf(asBytes(unknown.get(1))));
    const apiVersion = asBytes(meta.get(1)).toString('utf8');
    const kind = asBytes(meta.get(2)).toString('utf8');
    const slash = apiVersion.indexOf('/');
    const group = slash < 0 ? '' : apiVersion.slice(0, slash);
    const known = schema.typeOf(group, apiVersion.slice(slash + 1), kind);
    const type = known ?? (kind === 'DeleteOptions' ? 'meta/v1.DeleteOptions' : undefined);
    if (!type) throw new WireError(`no kind "${kind}" is registered for version "${apiVersion}"`);
    const result: JsonObject = { apiVersion, kind };
    readInto(result, tableOf(type), asBytes(unknown.get(2)), 0);
    return result;
  }

  return { decode };
}
