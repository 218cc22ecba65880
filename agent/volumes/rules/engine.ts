// What an engine can do with mounts, by its version.

const major = (version: string): number => Number(/^\d+/.exec(version)?.[0] ?? 0);

/** Whether the engine mounts images itself. */
export function mountsImages(version: string): boolean {
  return major(version) >= 28;
}

/** Whether the mounts below a read-only mount can be made read-only: engine and kernel (5.12) must both know how. */
export function mountsRecursivelyReadOnly(version: string, kernel: string): boolean {
  const [, first = '0', second = '0'] = /^(\d+)\.(\d+)/.exec(kernel) ?? [];
  const isNewKernel = Number(first) > 5 || (Number(first) === 5 && Number(second) >= 12);
  return major(version) >= 25 && isNewKernel;
}
