// Completion indexes as text: "1,3-5,7".

export function parseIndexes(text: string | undefined): Set<number> {
  const found = new Set<number>();
  for (const part of (text ?? '').split(',').filter((one) => one !== '')) {
    const [first, last = first] = part.split('-').map(Number);
    for (let index = first ?? 0; index <= (last ?? 0); index++) found.add(index);
  }
  return found;
}

/** Runs of at least two are written with a dash where that is shorter. */
export function formatIndexes(indexes: Iterable<number>): string {
  const ordered = [...indexes].sort((a, b) => a - b);
  const runs: [number, number][] = [];
  for (const index of ordered) {
    const run = runs.at(-1);
    if (run && index === run[1] + 1) run[1] = index;
    else runs.push([index, index]);
  }
  return runs
    .map(([first, last]) =>
      first === last ? `${first}` : last === first + 1 ? `${first},${last}` : `${first}-${last}`,
    )
    .join(',');
}
