// Merge patches for the fake API server: strategic (by merge key, with $patch directives) and plain merge.

type Json = Readonly<Record<string, unknown>>;

/** Merge keys of the lists that a node agent patches; every other list is replaced whole. */
const mergeKeys: Readonly<Record<string, string>> = {
  conditions: 'type',
  podIPs: 'ip',
  hostIPs: 'ip',
  addresses: 'type',
  ownerReferences: 'uid',
};

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isObjectList = (value: unknown): value is Json[] => Array.isArray(value) && value.every(isObject);

export function mergePatch(target: unknown, patch: unknown, type: 'strategic' | 'merge'): unknown {
  if (!isObject(patch)) return patch;
  if (patch['$patch'] === 'replace') {
    const { $patch: _, ...rest } = patch;
    return rest;
  }
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    const key = mergeKeys[name];
    if (value === null) delete merged[name];
    else if (type === 'strategic' && key && isObjectList(value)) merged[name] = mergeList(merged[name], value, key);
    else merged[name] = mergePatch(merged[name], value, type);
  }
  return merged;
}

function mergeList(target: unknown, patch: readonly Json[], key: string): Json[] {
  const items = patch.filter((item) => item['$patch'] !== 'replace');
  const merged = new Map<unknown, Json>();
  if (items.length === patch.length && isObjectList(target)) for (const item of target) merged.set(item[key], item);
  for (const item of items) {
    if (item['$patch'] === 'delete') merged.delete(item[key]);
    else merged.set(item[key], mergePatch(merged.get(item[key]), item, 'strategic') as Json);
  }
  return [...merged.values()];
}
