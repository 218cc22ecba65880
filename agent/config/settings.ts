// The fields of KubeletConfiguration from file, drop-ins and flags, checked: what we do not know is refused, what we do not heed is named.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { acceptedFields, unheeded } from './accepted.ts';
import { ConfigError } from './config.ts';
import { hint } from './near.ts';
import { type Settings, schema } from './schema.ts';

export type Fields = Record<string, unknown>;

export interface CheckedSettings {
  readonly settings: Settings;
  /** All fields, heeded or not, as /configz shows them. */
  readonly shown: Readonly<Fields>;
  /** Fields that ask for what will not happen. */
  readonly unheeded: readonly string[];
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The file, then every `*.conf` of the drop-in directory in the order of their names; each is checked by itself. Throws `ConfigError`. */
export async function readSettingsFiles(file: string | undefined, directory: string | undefined): Promise<Fields> {
  let settings: Fields = {};
  for (const path of [...(file ? [file] : []), ...(directory ? await dropIns(directory) : [])]) {
    const read = await readFields(path);
    checkFields(read, `"${path}": `);
    settings = merge(settings, read);
  }
  return settings;
}

async function dropIns(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true, recursive: true });
    const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.conf'));
    return files.map(({ parentPath, name }) => join(parentPath, name)).sort();
  } catch (cause) {
    throw new ConfigError(`Cannot read --config-dir "${directory}": ${words(cause)}`, { cause });
  }
}

async function readFields(path: string): Promise<Fields> {
  let read: unknown;
  try {
    read = parse(await readFile(path, 'utf8'), { maxAliasCount: 0 });
  } catch (cause) {
    throw new ConfigError(`Cannot read configuration "${path}": ${words(cause)}`, { cause });
  }
  if (read === null) return {};
  if (!isFields(read)) throw new ConfigError(`"${path}" is not valid: want a KubeletConfiguration`);
  return read;
}

const words = (error: unknown): string => (error instanceof Error ? (error.message.split('\n')[0] ?? '') : `${error}`);

/** Fields of the later win one by one; lists are replaced whole. */
export function merge(earlier: Fields, later: Fields): Fields {
  const merged = { ...earlier };
  for (const [name, value] of Object.entries(later)) {
    const before = Object.hasOwn(merged, name) ? merged[name] : undefined;
    merged[name] = isFields(before) && isFields(value) ? merge(before, value) : value;
  }
  return merged;
}

/** Throws `ConfigError` with the file, the field, its value and what would do. `where` is put before it. */
export function checkFields(fields: Fields, where = ''): CheckedSettings {
  const isAccepted = (name: string): boolean =>
    Object.hasOwn(acceptedFields, name) && !Object.hasOwn(schema.shape, name);
  const entries = Object.entries(fields).filter(([, value]) => value !== null);
  const heeded = Object.fromEntries(entries.filter(([name]) => !isAccepted(name)));
  const accepted = Object.fromEntries(entries.filter(([name]) => isAccepted(name)));
  const result = schema.safeParse(heeded);
  if (result.success) {
    return { settings: result.data, shown: { ...accepted, ...result.data }, unheeded: unheeded(accepted) };
  }
  const [issue] = result.error.issues;
  const path = issue?.path.join('.') ?? '';
  if (issue?.code === 'unrecognized_keys') throw unknownField(where, path, issue.keys[0] ?? '');
  const found = issue?.path.reduce<unknown>((at, name) => (at as Fields | undefined)?.[name as string], heeded);
  throw new ConfigError(`${where}field ${path}: ${JSON.stringify(found)} is not valid: ${issue?.message}`);
}

function unknownField(where: string, path: string, name: string): ConfigError {
  const known = path === '' ? [...Object.keys(schema.shape), ...Object.keys(acceptedFields)] : knownBelow(path);
  const otherwise =
    path === ''
      ? 'want a field of KubeletConfiguration v1beta1'
      : `want one of ${known.map((one) => `${path}.${one}`).join(', ')}`;
  const full = path === '' ? name : `${path}.${name}`;
  return new ConfigError(`${where}unknown field ${JSON.stringify(full)}: ${hint(name, known, otherwise)}`);
}

/** The fields that may stand below a path such as "authentication.x509". */
function knownBelow(path: string): readonly string[] {
  let at: unknown = schema;
  for (const name of path.split('.')) at = shapeOf(at)?.[name];
  return Object.keys(shapeOf(at) ?? {});
}

/** Through defaults and optionals, down to the object that they stand around. */
function shapeOf(type: unknown): Fields | undefined {
  let at = type as { shape?: Fields; def?: { innerType?: unknown } } | undefined;
  while (at && !at.shape) at = at.def?.innerType as typeof at;
  return at?.shape;
}

export function setField(fields: Fields, path: string, to: unknown): Fields {
  const [name = '', ...rest] = path.split('.');
  if (rest.length === 0) return { ...fields, [name]: to };
  const child = fields[name];
  return { ...fields, [name]: setField(isFields(child) ? child : {}, rest.join('.'), to) };
}
