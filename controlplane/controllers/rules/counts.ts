// Numbers that a spec may give as a share of the whole.

/** "25%" of `total`; rounded up where more is safe, down where less is. */
export function countOf(value: number | string | undefined, total: number, round: 'up' | 'down'): number {
  if (value === undefined) return 0;
  if (typeof value === 'number') return value;
  const share = (Number(value.replace('%', '')) * total) / 100;
  return round === 'up' ? Math.ceil(share) : Math.floor(share);
}
