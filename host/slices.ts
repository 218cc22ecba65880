// Limits of systemd's slices, set through systemd: what is written past it is undone at its next reload.

import { type CgroupLimits, weightOf } from './cgroups.ts';
import { run } from './commands.ts';

/** Starts the slice where it is missing and sets its limits until the next boot. Repeatable. */
export async function ensureSlice(
  name: string,
  { cpuShares, cpuQuotaMicros, memoryBytes }: CgroupLimits,
  version: 1 | 2,
): Promise<void> {
  const memory = memoryBytes === 0 ? 'infinity' : `${memoryBytes}`;
  // Per second of time, whatever the period is.
  const quota = cpuQuotaMicros === 0 ? '' : `${cpuQuotaMicros / 1000}%`;
  const weights =
    version === 2
      ? [`CPUWeight=${weightOf(cpuShares)}`, `MemoryMax=${memory}`]
      : [`CPUShares=${cpuShares}`, `MemoryLimit=${memory}`];
  await run('systemctl', ['start', name]);
  await run('systemctl', ['set-property', '--runtime', name, ...weights, `CPUQuota=${quota}`]);
}
