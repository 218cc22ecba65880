// Reads an object against its type: unknown fields, wrong JSON types. Gives back a clean copy without what the type does not know.
import { formatQuantity, tryParseQuantity } from '../../../kube/quantity.ts';
import { isObject, type JsonObject, put } from '../model.ts';
import type { Schema, Shape } from './schema.ts';

export interface Reading {
  readonly object: JsonObject;
  /** Paths of fields that the type does not have. */
  readonly unknown: readonly string[];
}

/** A value that cannot be what its field wants; the text follows upstream's decoder. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

interface Walk {
  readonly schema: Schema;
  readonly unknown: string[];
}

const maxDepth = 64;
const goKinds: Readonly<Record<string, string>> = {
  string: 'string',
  'string:byte': '[]uint8',
  'integer:int32': 'int32',
  'integer:int64': 'int64',
  boolean: 'bool',
  'number:double': 'float64',
};

function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return value === null ? 'null' : typeof value;
}

function mismatch(value: unknown, path: string, want: string): DecodeError {
  return new DecodeError(
    `json: cannot unmarshal ${jsonKind(value)} into Go struct field ${path || '.'} of type ${want}`,
  );
}

/** Throws `DecodeError`. `null` anywhere means absent, as in Go. */
export function readFields(schema: Schema, typeName: string, value: unknown): Reading {
  const walk: Walk = { schema, unknown: [] };
  const shape = schema.shape(typeName);
  if (!isObject(value)) throw mismatch(value, '', typeName);
  return { object: read(walk, shape, value, '', 0) as JsonObject, unknown: walk.unknown };
}

function read(walk: Walk, shape: Shape, value: unknown, path: string, depth: number): unknown {
  if (depth > maxDepth) throw new DecodeError(`${path}: exceeded max depth`);
  switch (shape.kind) {
    case 'list':
      return readList(walk, shape.item, value, path, depth);
    case 'map':
      return readMap(walk, shape.item, value, path, depth);
    case 'struct':
      return readStruct(walk, shape, value, path, depth);
    case 'scalar':
      return readScalar(shape.scalar, value, path);
  }
}

function readList(walk: Walk, item: string, value: unknown, path: string, depth: number): unknown[] {
  if (!Array.isArray(value)) throw mismatch(value, path, `[]${item.replace(/^.*\//, '')}`);
  const shape = walk.schema.shape(item);
  return value.map((one, at) => {
    if (one === null && shape.kind === 'scalar') throw mismatch(one, `${path}[${at}]`, item);
    return read(walk, shape, one ?? {}, `${path}[${at}]`, depth + 1);
  });
}

function readMap(walk: Walk, item: string, value: unknown, path: string, depth: number): JsonObject {
  if (!isObject(value)) throw mismatch(value, path, `map[string]${goKinds[item] ?? item.replace(/^.*\//, '')}`);
  const shape = walk.schema.shape(item);
  const result: JsonObject = {};
  for (const [key, one] of Object.entries(value)) {
    put(result, key, one === null ? zeroOf(shape) : read(walk, shape, one, `${path}.${key}`, depth + 1));
  }
  return result;
}

/** Go keeps a null map entry as the zero value of its type. */
function zeroOf(shape: Shape): unknown {
  if (shape.kind === 'scalar') return shape.scalar.startsWith('string') ? '' : 0;
  return shape.kind === 'list' ? [] : {};
}

function readStruct(walk: Walk, shape: Shape & { kind: 'struct' }, value: unknown, path: string, depth: number) {
  if (!isObject(value)) throw mismatch(value, path, shape.name.replace('/', '.'));
  const result: JsonObject = {};
  for (const [key, one] of Object.entries(value)) {
    const fields = shape.type.fields ?? {};
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
    const below = path === '' ? key : `${path}.${key}`;
    if (!field) walk.unknown.push(below);
    else if (one !== null) result[key] = read(walk, walk.schema.shape(field.type), one, below, depth + 1);
  }
  return result;
}

const timeShape = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
const quantityPattern = '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$';

function readScalar(scalar: string, value: unknown, path: string): unknown {
  switch (scalar) {
    case 'string':
      return readTyped(value, 'string', path, 'string');
    case 'string:byte':
      return readBytes(value, path);
    case 'quantity':
      return readQuantity(value);
    case 'time':
    case 'microtime':
      return readTime(value, scalar);
    case 'int-or-string':
      if (typeof value !== 'string' && !Number.isInteger(value)) throw mismatch(value, path, 'intstr.IntOrString');
      return value;
    case 'integer:int32':
    case 'integer:int64':
      return readInteger(scalar, value, path);
    case 'number:double':
      return readTyped(value, 'number', path, 'float64');
    case 'boolean':
      return readTyped(value, 'boolean', path, 'bool');
    default:
      return value;
  }
}

function readTyped(value: unknown, want: string, path: string, goKind: string): unknown {
  if (typeof value !== want) throw mismatch(value, path, goKind);
  return value;
}

function readBytes(value: unknown, path: string): string {
  if (typeof value !== 'string') throw mismatch(value, path, '[]uint8');
  const bad = /[^A-Za-z0-9+/\r\n]/.exec(value.replace(/={1,2}[\r\n]*$/, ''));
  const text = value.replace(/[\r\n]/g, '');
  if (bad || text.length % 4 !== 0) {
    throw new DecodeError(`illegal base64 data at input byte ${bad?.index ?? text.length}`);
  }
  return text;
}

/** Quantities may be written as numbers; they are kept in canonical form. */
function readQuantity(value: unknown): string {
  const quantity = tryParseQuantity(typeof value === 'string' ? value.trim() : value);
  if (!quantity) throw new DecodeError(`quantities must match the regular expression '${quantityPattern}'`);
  return formatQuantity(quantity);
}

/** Times are kept in UTC: whole seconds, or exactly six digits for MicroTime. */
function readTime(value: unknown, scalar: 'time' | 'microtime'): string {
  const ms = typeof value === 'string' && timeShape.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new DecodeError(`parsing time ${JSON.stringify(value)} as "2006-01-02T15:04:05Z07:00": cannot parse`);
  }
  const seconds = new Date(ms).toISOString().slice(0, 19);
  if (scalar === 'time') return `${seconds}Z`;
  const fraction = /\.(\d+)/.exec(String(value))?.[1] ?? '';
  return `${seconds}.${fraction.slice(0, 6).padEnd(6, '0')}Z`;
}

function readInteger(scalar: string, value: unknown, path: string): unknown {
  const fits = Number.isInteger(value) && (scalar === 'integer:int64' || (value as number) === ((value as number) | 0));
  if (!fits) throw mismatch(value, path, goKinds[scalar] ?? scalar);
  return value;
}
