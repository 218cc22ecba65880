// One line per step with its time: what a person sees while a command works.

/** Runs a step and prints its line; what it returns as `did` stands in the line. */
export async function step(name: string, work: () => Promise<string>): Promise<void> {
  const startedAt = performance.now();
  const did = await work();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${name.padEnd(22)} ${did} (${seconds} s)`);
}
