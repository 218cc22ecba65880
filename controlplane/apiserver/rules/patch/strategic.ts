// Strategic merge patch: merge patch that knows which lists merge, and by which key. The table comes from the schema.
import { isObject, type JsonObject, put, take } from '../../model.ts';
import type { Field, Schema } from '../schema.ts';
import { badRequest } from '../status-error.ts';
import { sameJson } from './merge.ts';

const patchDirective = '$patch';
const retainKeys = '$retainKeys';
const deleteFrom = '$deleteFromPrimitiveList/';
const elementOrder = '$setElementOrder/';

const isDirective = (key: string): boolean => key.startsWith('$');
const isScalar = (value: unknown): boolean => !isObject(value) && !Array.isArray(value);

/** Throws a 400 `StatusError` for directives that make no sense. `typeName` is the type of `target`. */
export function strategicPatch(schema: Schema, typeName: string, target: JsonObject, patch: JsonObject): JsonObject {
  const directive = take(patch, patchDirective);
  if (directive === 'replace') return withoutDirectives(patch);
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge')
    throw badRequest(`Unknown patch type found: ${String(directive)}`);
  const result = retained(target, patch);
  for (const [key, value] of Object.entries(patch)) {
    if (isDirective(key)) continue;
    if (value === null) delete result[key];
    else put(result, key, patchField(schema, schema.field(typeName, key), take(result, key), value, patch, key));
  }
  for (const key of Object.keys(patch)) applyListDirective(schema, typeName, result, patch, key);
  return result;
}

function retained(target: JsonObject, patch: JsonObject): JsonObject {
  const keep = take(patch, retainKeys);
  if (keep === undefined) return { ...target };
  if (!Array.isArray(keep)) throw badRequest('$retainKeys: want a list of field names');
  return Object.fromEntries(Object.entries(target).filter(([key]) => keep.includes(key)));
}

/** Lists that have a directive but no value of their own in the patch. */
function applyListDirective(
  schema: Schema,
  typeName: string,
  result: JsonObject,
  patch: JsonObject,
  key: string,
): void {
  const name = key.startsWith(deleteFrom)
    ? key.slice(deleteFrom.length)
    : key.startsWith(elementOrder)
      ? key.slice(elementOrder.length)
      : undefined;
  if (name === undefined || Object.hasOwn(patch, name)) return;
  const current = take(result, name);
  if (!Array.isArray(current)) return;
  put(result, name, finishList(schema.field(typeName, name), withoutDeleted(current, patch, name), patch, name));
}

function patchField(
  schema: Schema,
  field: Field | undefined,
  current: unknown,
  value: unknown,
  patch: JsonObject,
  name: string,
): unknown {
  if (isObject(value)) return patchObject(schema, field, current, value);
  if (!Array.isArray(value)) return value;
  if (field?.patchStrategy?.split(',').includes('merge') !== true) return value.map(withoutNested);
  const old = Array.isArray(current) ? current : [];
  const merged = field.patchMergeKey
    ? mergeObjects(schema, field, field.patchMergeKey, old, value)
    : [...withoutDeleted(old, patch, name), ...value.filter((one) => !old.some((other) => sameJson(one, other)))];
  return finishList(field, merged, patch, name);
}

function patchObject(schema: Schema, field: Field | undefined, current: unknown, value: JsonObject): unknown {
  const strategies = field?.patchStrategy?.split(',') ?? [];
  if (strategies.includes('replace')) return withoutDirectives(value);
  const shape = field ? schema.shape(field.type) : undefined;
  const typeName = shape?.kind === 'struct' ? shape.name : '';
  return strategicPatch(schema, typeName, isObject(current) ? current : {}, value);
}

function withoutDeleted(list: readonly unknown[], patch: JsonObject, name: string): unknown[] {
  const gone = take(patch, `${deleteFrom}${name}`);
  return Array.isArray(gone) ? list.filter((one) => !gone.some((other) => sameJson(one, other))) : [...list];
}

function mergeObjects(
  schema: Schema,
  field: Field,
  mergeKey: string,
  old: readonly unknown[],
  patches: readonly unknown[],
): unknown[] {
  const directives = patches.filter((one) => isObject(one) && Object.hasOwn(one, patchDirective)) as JsonObject[];
  if (directives.some((one) => one[patchDirective] === 'replace')) {
    return patches.filter((one) => !directives.includes(one as JsonObject)).map(withoutNested);
  }
  let result = [...old];
  for (const one of directives.filter((each) => each[patchDirective] === 'delete')) {
    result = result.filter((item) => !sameJson(take(item, mergeKey), one[mergeKey]));
  }
  const shape = schema.shape(field.type);
  const itemType = shape.kind === 'list' ? shape.item : '';
  for (const one of patches) {
    if (!isObject(one)) throw badRequest(`list of maps expected for the merge key ${mergeKey}`);
    if (one[patchDirective] === 'delete') continue;
    if (!Object.hasOwn(one, mergeKey)) {
      throw badRequest(`map: ${JSON.stringify(one)} does not contain declared merge key: ${mergeKey}`);
    }
    const at = result.findIndex((item) => sameJson(take(item, mergeKey), one[mergeKey]));
    const before = result[at];
    const after = strategicPatch(schema, itemType, isObject(before) ? before : {}, one);
    if (at < 0) result.push(after);
    else result[at] = after;
  }
  return result;
}

/** Puts the items into the order that the patch asks for; items that it does not name stay behind their neighbours. */
function finishList(field: Field | undefined, list: readonly unknown[], patch: JsonObject, name: string): unknown[] {
  const order = take(patch, `${elementOrder}${name}`);
  if (!Array.isArray(order)) return [...list];
  const keyOf = (item: unknown): unknown =>
    field?.patchMergeKey && !isScalar(item) ? take(item, field.patchMergeKey) : item;
  const wanted = order.map(keyOf);
  const rank = (item: unknown): number => wanted.findIndex((key) => sameJson(key, keyOf(item)));
  const named = list.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b));
  const result: unknown[] = [];
  let next = 0;
  for (const item of list) {
    if (rank(item) < 0) result.push(item);
    else result.push(named[next++]);
  }
  return result;
}

function withoutNested(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNested);
  return isObject(value) ? withoutDirectives(value) : value;
}

function withoutDirectives(value: JsonObject): JsonObject {
  const kept = Object.entries(value).filter(([key, one]) => !isDirective(key) && one !== null);
  return Object.fromEntries(kept.map(([key, one]) => [key, withoutNested(one)]));
}
