// Request bodies: JSON, YAML and protobuf become one plain object; duplicate fields are noticed.
import { parseDocument } from 'yaml';
import { isObject, type JsonObject } from '../model.ts';
import type { Decoder } from '../rules/protobuf.ts';
import { badRequest, unsupportedMediaType } from '../rules/status-error.ts';

export const bodyTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'] as const;

export interface Body {
  readonly value: JsonObject;
  /** Paths of fields that were written twice. */
  readonly duplicates: readonly string[];
}

export const mediaType = (header: string | undefined): string =>
  (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

/** Throws a 400 or 415 `StatusError`. A missing Content-Type is JSON. */
export function decodeBody(contentType: string | undefined, bytes: Buffer, decoder: Decoder): Body {
  switch (mediaType(contentType) || 'application/json') {
    case 'application/json':
      return parseJsonBody(bytes.toString('utf8'));
    case 'application/yaml':
      return parseYamlBody(bytes.toString('utf8'));
    case 'application/vnd.kubernetes.protobuf':
      return { value: orBadRequest(() => decoder.decode(bytes)), duplicates: [] };
    default:
      throw unsupportedMediaType(bodyTypes);
  }
}

function orBadRequest<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw badRequest(`the object provided is unrecognized: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function requireObject(value: unknown): JsonObject {
  if (!isObject(value)) throw badRequest('the object provided is unrecognized: want an object');
  return value;
}

export function parseJsonBody(text: string): Body {
  const value = requireObject(orBadRequest(() => JSON.parse(text)));
  return { value, duplicates: duplicateFields(text) };
}

/** Aliases are limited, so that a small body cannot become a large object. */
export function parseYamlBody(text: string): Body {
  if (text.trimStart().startsWith('{')) return parseJsonBody(text);
  const value = orBadRequest(() => {
    const document = parseDocument(text, { uniqueKeys: true, version: '1.1', merge: false });
    const error = document.errors[0];
    if (error) throw error;
    return JSON.parse(JSON.stringify(document.toJS({ maxAliasCount: 50 })));
  });
  return { value: requireObject(value), duplicates: [] };
}

interface Level {
  readonly path: string;
  /** Names seen so far; undefined inside a list. */
  readonly names: Set<string> | undefined;
  name: string;
  index: number;
}

const tokenShape = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;

/** JSON.parse keeps the last of two equal names and says nothing: this says which. `text` is valid JSON. */
export function duplicateFields(text: string): string[] {
  const found = new Set<string>();
  const levels: Level[] = [];
  let wantsName = false;
  for (const [token] of text.matchAll(tokenShape)) {
    const level = levels.at(-1);
    if (token === '{' || token === '[') {
      levels.push(open(level, token === '{'));
      wantsName = token === '{';
    } else if (token === '}' || token === ']') {
      levels.pop();
      wantsName = false;
    } else if (token === ',') {
      wantsName = level?.names !== undefined;
      if (level) level.index++;
    } else if (token !== ':' && wantsName && level?.names) {
      level.name = JSON.parse(token) as string;
      if (level.names.has(level.name)) found.add(pathBelow(level));
      level.names.add(level.name);
      wantsName = false;
    }
  }
  return [...found];
}

function open(parent: Level | undefined, isObjectLevel: boolean): Level {
  return { path: parent ? pathBelow(parent) : '', names: isObjectLevel ? new Set() : undefined, name: '', index: 0 };
}

function pathBelow({ path, names, name, index }: Level): string {
  if (!names) return `${path}[${index}]`;
  return path === '' ? name : `${path}.${name}`;
}
