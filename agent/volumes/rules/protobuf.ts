// Protocol Buffers, as much of them as drivers speak: messages are described as data, and the description gives their types.

/** `map` is from string to string; `one` and `many` hold messages. */
export type FieldType =
  | 'string'
  | 'bool'
  | 'int'
  | 'strings'
  | 'map'
  | { readonly one: Shape }
  | { readonly many: Shape };

/** By name: the field's number and type. */
export type Shape = { readonly [name: string]: readonly [number, FieldType] };

type ValueOf<T> = T extends 'string'
  ? string
  : T extends 'bool'
    ? boolean
    : T extends 'int'
      ? number
      : T extends 'strings'
        ? readonly string[]
        : T extends 'map'
          ? Readonly<Record<string, string>>
          : T extends { readonly one: infer M extends Shape }
            ? Message<M>
            : T extends { readonly many: infer M extends Shape }
              ? readonly Message<M>[]
              : never;

/** A field that is absent has its type's zero value, except for messages. */
export type Message<S extends Shape> = { readonly [K in keyof S]?: ValueOf<S[K][1]> };

export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

const varintWire = 0;
const bytesWire = 2;
const skippedBytes: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
const deepest = 32;
const entry = { key: [1, 'string'], value: [2, 'string'] } as const;

export function encode<S extends Shape>(shape: S, message: Message<S>): Buffer {
  const values = message as Readonly<Record<string, unknown>>;
  return Buffer.concat(
    Object.entries(shape).flatMap(([name, [number, type]]) => fieldBytes(number, type, values[name])),
  );
}

function fieldBytes(number: number, type: FieldType, value: unknown): Buffer[] {
  if (value === undefined || value === '' || value === false || value === 0) return [];
  const framed = (bytes: Buffer): Buffer[] => [varint((number << 3) | bytesWire), varint(bytes.length), bytes];
  if (typeof type === 'object') {
    if ('one' in type) return framed(encode(type.one, value as Message<Shape>));
    return (value as Message<Shape>[]).flatMap((one) => framed(encode(type.many, one)));
  }
  switch (type) {
    case 'string':
      return framed(Buffer.from(value as string));
    case 'bool':
    case 'int':
      return [varint((number << 3) | varintWire), varint(Number(value))];
    case 'strings':
      return (value as string[]).flatMap((text) => framed(Buffer.from(text)));
    case 'map':
      return Object.entries(value as Record<string, string>).flatMap(([key, text]) =>
        framed(encode(entry, { key, value: text })),
      );
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  // A negative number has 64 bits.
  let left = BigInt.asUintN(64, BigInt(value));
  for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(left)]);
}

/** Reads a message; fields that the shape does not name are skipped. Throws `MalformedMessage`. */
export function decode<S extends Shape>(shape: S, bytes: Buffer, depth = 0): Message<S> {
  if (depth > deepest) throw new MalformedMessage('messages are nested too deep');
  const byNumber = new Map(Object.entries(shape).map(([name, [number, type]]) => [number, { name, type }]));
  const found = new Map<string, unknown>();
  for (const { number, value } of fields(bytes)) {
    const field = byNumber.get(number);
    if (field) found.set(field.name, readValue(field.type, value, found.get(field.name), depth));
  }
  return Object.fromEntries(found) as Message<S>;
}

/** `before` is what the field held so far: repeated fields come one by one. */
function readValue(type: FieldType, value: bigint | Buffer, before: unknown, depth: number): unknown {
  if (type === 'bool' || type === 'int') {
    if (typeof value !== 'bigint') throw new MalformedMessage('a number was expected');
    return type === 'bool' ? value !== 0n : Number(BigInt.asIntN(64, value));
  }
  if (typeof value === 'bigint') throw new MalformedMessage('bytes were expected');
  if (type === 'string') return value.toString('utf8');
  if (type === 'strings') return [...((before as string[]) ?? []), value.toString('utf8')];
  if (type === 'map') {
    const { key = '', value: text = '' } = decode(entry, value, depth + 1);
    return Object.fromEntries([...Object.entries((before as Record<string, string>) ?? {}), [key, text]]);
  }
  if ('one' in type) return decode(type.one, value, depth + 1);
  return [...((before as unknown[]) ?? []), decode(type.many, value, depth + 1)];
}

function* fields(bytes: Buffer): Iterable<{ number: number; value: bigint | Buffer }> {
  let at = 0;
  const number = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new MalformedMessage('the message ends early');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new MalformedMessage('a number is too long');
  };
  const take = (length: number): Buffer => {
    if (length > bytes.length - at) throw new MalformedMessage('the message ends early');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = Number(number());
    const wire = tag & 7;
    if (wire === varintWire) yield { number: tag >>> 3, value: number() };
    else if (wire === bytesWire) yield { number: tag >>> 3, value: take(Number(number())) };
    else if (skippedBytes[wire]) take(skippedBytes[wire]);
    else throw new MalformedMessage(`wire type ${wire} is unknown`);
  }
}
