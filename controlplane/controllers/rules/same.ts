// Whether two pieces of JSON say the same: the order of fields does not count, absent and empty are one.

export function canonical(value: unknown): string {
  return JSON.stringify(prune(value)) ?? '';
}

export const sameContent = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);

function prune(value: unknown): unknown {
  if (Array.isArray(value)) return value.length > 0 ? value.map(prune) : undefined;
  if (typeof value !== 'object' || value === null) return value ?? undefined;
  const entries = Object.entries(value)
    .map(([key, one]) => [key, prune(one)] as const)
    .filter(([, one]) => one !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}
