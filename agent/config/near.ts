// Which known name somebody may have meant.

/** How many letters must be put in, left out or changed. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...a].entries()) {
    let diagonal = i;
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const cost = letter === other ? diagonal : diagonal + 1;
      diagonal = row[j + 1] ?? 0;
      next.push(Math.min(cost, diagonal + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** At most three, the nearest first; none where nothing is near. */
export function near(name: string, known: readonly string[]): readonly string[] {
  const low = name.toLowerCase();
  return known
    .map((one) => ({ one, away: distance(low, one.toLowerCase()) }))
    .filter(({ away }) => away <= Math.max(2, Math.floor(low.length / 3)))
    .sort((a, b) => a.away - b.away || (a.one < b.one ? -1 : 1))
    .slice(0, 3)
    .map(({ one }) => one);
}

/** ": did you mean …", or where all names are found. */
export function hint(name: string, known: readonly string[], otherwise: string): string {
  const found = near(name, known);
  return found.length > 0 ? `did you mean ${found.map((one) => JSON.stringify(one)).join(' or ')}?` : otherwise;
}
