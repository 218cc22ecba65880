// From a request's body to an object of a kind: right group and kind, known fields, warnings or refusals as the client wished.
import type { Request } from '../context.ts';
import type { ApiObject, JsonObject } from '../model.ts';
import { DecodeError, readFields } from '../rules/fields.ts';
import type { Decoder } from '../rules/protobuf.ts';
import type { Schema } from '../rules/schema.ts';
import { badRequest } from '../rules/status-error.ts';
import { type Body, decodeBody } from './body.ts';

/** Which kind a body must be. */
export interface Expected {
  readonly apiVersion: string;
  readonly kind: string;
  readonly type: string;
}

/** Names the kind as decode errors do: `Pod in version "v1"`. */
const versioned = ({ apiVersion, kind }: Expected): string =>
  `${kind} in version ${JSON.stringify(apiVersion.slice(apiVersion.lastIndexOf('/') + 1))}`;

/** Throws a 400 `StatusError`. Missing apiVersion and kind are taken from the address; a kind in the wrong case is mended with a warning. */
function requireKind(value: JsonObject, expected: Expected, warnings: string[]): void {
  const { apiVersion = expected.apiVersion, kind = expected.kind } = value;
  const sameKind = typeof kind === 'string' && kind.toLowerCase() === expected.kind.toLowerCase();
  if (apiVersion !== expected.apiVersion || !sameKind) {
    throw badRequest(
      `the API version in the data (${String(apiVersion)}) or its kind (${String(kind)}) does not match the expected ${expected.apiVersion} ${expected.kind}`,
    );
  }
  if (kind !== expected.kind) warnings.push(`kind "${kind}" should be written "${expected.kind}"`);
  value['apiVersion'] = expected.apiVersion;
  value['kind'] = expected.kind;
}

const complaints = (unknown: readonly string[], duplicates: readonly string[]): string[] => [
  ...duplicates.map((path) => `duplicate field "${path}"`),
  ...unknown.map((path) => `unknown field "${path}"`),
];

/** Reads fields by the type; reports what is unknown or written twice as `validation` says. */
export function readTyped(
  schema: Schema,
  expected: Expected,
  body: Body,
  validation: Request['fieldValidation'],
  warnings: string[],
): ApiObject {
  const value = { ...body.value };
  requireKind(value, expected, warnings);
  try {
    const { object, unknown } = readFields(schema, expected.type, value);
    const problems = complaints(unknown, body.duplicates);
    if (problems.length > 0 && validation === 'Strict') {
      const what = `${versioned(expected)} cannot be handled as a ${expected.kind}`;
      throw badRequest(`${what}: strict decoding error: ${problems.join(', ')}`);
    }
    if (validation === 'Warn') warnings.push(...problems);
    const read = object as unknown as ApiObject;
    read.metadata ??= {} as ApiObject['metadata'];
    return read;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw badRequest(`${versioned(expected)} cannot be handled as a ${expected.kind}: ${error.message}`);
  }
}

export function decodeObject(
  schema: Schema,
  decoder: Decoder,
  expected: Expected,
  contentType: string | undefined,
  bytes: Buffer,
  request: Pick<Request, 'fieldValidation' | 'warnings'>,
): ApiObject {
  const body = decodeBody(contentType, bytes, decoder);
  return readTyped(schema, expected, body, request.fieldValidation, request.warnings);
}
