// What a control group lets through and holds now, versions 1 and 2.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CgroupLimits, Cgroups } from './cgroups.ts';

type Version = Cgroups['version'];
type PresentLimits = Pick<CgroupLimits, 'cpuQuotaMicros' | 'memoryBytes'>;

/** Version 1 says "no limit" with the largest multiple of a page, version 2 with a word. */
const unlimitedBytes = 2 ** 60;

/** A limit as the kernel writes it; 0 is unlimited. */
export function limitOf(text: string): number {
  const limit = Number(text.trim().split(' ')[0]);
  return limit > 0 && limit < unlimitedBytes ? limit : 0;
}

/** The path of a process's cgroup, out of its /proc/<pid>/cgroup; undefined where it has none of that controller. */
export function cgroupPathOf(text: string, version: Version, controller: string): string | undefined {
  const wanted = version === 2 ? '' : controller;
  const lines = text.split('\n').map((line) => line.split(':'));
  return lines.find(([, names]) => names?.split(',').includes(wanted))?.[2];
}

const read = (...path: string[]): Promise<string> => readFile(join(...path), 'utf8');

/** The limits of the cgroup at `path`. Throws where there is none. */
export async function presentLimits(version: Version, path: string, mount = '/sys/fs/cgroup'): Promise<PresentLimits> {
  const [cpu, memory] =
    version === 2
      ? [read(mount, path, 'cpu.max'), read(mount, path, 'memory.max')]
      : [read(mount, 'cpu', path, 'cpu.cfs_quota_us'), read(mount, 'memory', path, 'memory.limit_in_bytes')];
  return { cpuQuotaMicros: limitOf(await cpu), memoryBytes: limitOf(await memory) };
}

/** What the cgroup of a process has in memory; undefined once that is gone. */
export async function memoryUsage(
  version: Version,
  pid: number,
  mount = '/sys/fs/cgroup',
): Promise<number | undefined> {
  try {
    const path = cgroupPathOf(await read('/proc', `${pid}`, 'cgroup'), version, 'memory');
    if (path === undefined) return undefined;
    return Number(
      await (version === 2
        ? read(mount, path, 'memory.current')
        : read(mount, 'memory', path, 'memory.usage_in_bytes')),
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
