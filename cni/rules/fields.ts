// Reads fields of untrusted JSON. What does not fit becomes CNI error 7 with the field's path, the value, and what would be accepted.
import { CniCode, CniError } from '../model.ts';

export type Fields = Readonly<Record<string, unknown>>;

export function refuse(path: string, value: unknown, accepted: string): never {
  const given = value === undefined ? 'nothing' : (JSON.stringify(value)?.slice(0, 100) ?? String(value));
  throw new CniError(
    CniCode.InvalidConfig,
    `Invalid network configuration: field "${path}" is ${given}, expected ${accepted}`,
  );
}

export function asFields(value: unknown, path: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(path, value, 'an object');
  return value as Fields;
}

export function asList(value: unknown, path: string): readonly unknown[] {
  return Array.isArray(value) ? value : refuse(path, value, 'a list');
}

export function stringAt(fields: Fields, key: string, path: string): string | undefined {
  const value = fields[key];
  return value === undefined || typeof value === 'string' ? value : refuse(path, value, 'a string');
}

export function booleanAt(fields: Fields, key: string, path: string): boolean {
  const value = fields[key];
  return value === undefined || typeof value === 'boolean' ? (value ?? false) : refuse(path, value, 'true or false');
}

/** Undefined where absent or 0: CNI configurations write 0 for "not set". */
export function integerAt(fields: Fields, key: string, path: string, min: number, max: number): number | undefined {
  const value = fields[key];
  if (value === undefined || value === 0) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  return refuse(path, value, `a whole number from ${min} to ${max}`);
}

export function refuseUnknown(fields: Fields, known: readonly string[], prefix: string): void {
  for (const key of Object.keys(fields)) {
    if (!known.includes(key)) refuse(`${prefix}${key}`, fields[key], `only the fields ${known.join(', ')}`);
  }
}
