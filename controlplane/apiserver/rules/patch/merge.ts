// JSON merge patch (RFC 7386) and JSON patch (RFC 6902). Both give back a new value and leave their arguments alone.
import { isObject, type JsonObject, put, take } from '../../model.ts';
import { badRequest, StatusError, tooLarge } from '../status-error.ts';

/** null removes, objects merge, everything else replaces. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else put(result, key, mergePatch(take(result, key), value));
  }
  return result;
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

const maxOperations = 10_000;
/** A chain of copies doubles a value with each step; upstream counts what was copied. */
const maxCopiedBytes = 3 * 1024 * 1024;

const unprocessable = (message: string): StatusError =>
  new StatusError(422, 'Invalid', `the server rejected our request due to an error in our request: ${message}`, {});

function stepsOf(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw unprocessable(`"${pointer}" is not a JSON pointer`);
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function indexOf(list: readonly unknown[], step: string, pointer: string): number {
  const index = step === '-' ? list.length : /^-?(0|[1-9]\d*)$/.test(step) ? Number(step) : Number.NaN;
  const positive = index < 0 ? list.length + index : index;
  if (!(positive >= 0 && positive <= list.length)) throw unprocessable(`"${pointer}": index out of bounds`);
  return positive;
}

function read(root: unknown, pointer: string): unknown {
  let value = root;
  for (const step of stepsOf(pointer)) {
    const found = Array.isArray(value) ? value[indexOf(value, step, pointer)] : take(value, step);
    if (found === undefined) throw unprocessable(`"${pointer}" does not exist`);
    value = found;
  }
  return value;
}

/** Rebuilds the way down to `steps` and lets `change` alter a copy of the last container. */
function edit(
  value: unknown,
  steps: string[],
  pointer: string,
  change: (at: unknown[] | JsonObject, step: string) => void,
): unknown {
  const [step = '', ...rest] = steps;
  const copy = Array.isArray(value) ? [...value] : isObject(value) ? { ...value } : undefined;
  if (!copy) throw unprocessable(`"${pointer}" does not exist`);
  if (rest.length === 0) change(copy, step);
  else if (Array.isArray(copy)) {
    const index = indexOf(copy, step, pointer);
    copy[index] = edit(copy[index], rest, pointer, change);
  } else put(copy, step, edit(take(copy, step), rest, pointer, change));
  return copy;
}

function add(root: unknown, pointer: string, value: unknown): unknown {
  const steps = stepsOf(pointer);
  if (steps.length === 0) return value;
  return edit(root, steps, pointer, (at, step) => {
    if (Array.isArray(at)) at.splice(indexOf(at, step, pointer), 0, value);
    else put(at, step, value);
  });
}

function remove(root: unknown, pointer: string): unknown {
  read(root, pointer);
  return edit(root, stepsOf(pointer), pointer, (at, step) => {
    if (Array.isArray(at)) at.splice(indexOf(at, step, pointer), 1);
    else delete at[step];
  });
}

function replace(root: unknown, pointer: string, value: unknown): unknown {
  read(root, pointer);
  const steps = stepsOf(pointer);
  if (steps.length === 0) return value;
  return edit(root, steps, pointer, (at, step) => {
    if (Array.isArray(at)) at[indexOf(at, step, pointer)] = value;
    else put(at, step, value);
  });
}

/** Equal JSON, whatever the order of names. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((one, at) => sameJson(one, b[at]));
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && sameJson(a[name], b[name]))
  );
}

function test(root: unknown, { path, value }: Operation): unknown {
  if (!sameJson(read(root, path), value)) throw unprocessable(`testing value ${path} failed: test failed`);
  return root;
}

function apply(root: unknown, operation: Operation): unknown {
  const { op, path, from = '', value } = operation;
  switch (op) {
    case 'add':
      return add(root, path, value);
    case 'remove':
      return remove(root, path);
    case 'replace':
      return replace(root, path, value);
    case 'move':
      return add(remove(root, from), path, read(root, from));
    case 'copy':
      return add(root, path, read(root, from));
    case 'test':
      return test(root, operation);
    default:
      throw badRequest(`unexpected JSON patch operation "${op}"`);
  }
}

/** Throws a 400, 413 or 422 `StatusError`. */
export function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('error decoding patch: want a list of operations');
  if (patch.length > maxOperations) {
    throw tooLarge(`The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`);
  }
  let copied = 0;
  return patch.reduce((value: unknown, one) => {
    if (!isObject(one) || typeof one['path'] !== 'string')
      throw badRequest('error decoding patch: an operation has no path');
    const operation = one as unknown as Operation;
    if (operation.op === 'copy') copied += JSON.stringify(read(value, operation.from ?? '')).length;
    if (copied > maxCopiedBytes) throw tooLarge(`Unable to apply patch: copied more than ${maxCopiedBytes} bytes`);
    return apply(value, operation);
  }, target);
}
