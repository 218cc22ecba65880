// Verdicts about addresses, remembered: the same few ask all the time.

const maxSources = 4096;

/** `judge` is asked once for each address, until there are too many of them. */
export function rememberSources(judge: (source: string) => boolean): (source: string) => boolean {
  const known = new Map<string, boolean>();
  return (source) => {
    const before = known.get(source);
    if (before !== undefined) return before;
    if (known.size >= maxSources) known.clear();
    const verdict = judge(source);
    known.set(source, verdict);
    return verdict;
  };
}
