// Control groups, version 1 and 2: make, limit, remove. Names are paths below the mount, without the controller.
import { mkdir, readdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface CgroupLimits {
  /** Relative weight; 1024 is one core's. */
  readonly cpuShares: number;
  /** Of each 100 ms; 0 is unlimited. */
  readonly cpuQuotaMicros: number;
  /** 0 is unlimited. */
  readonly memoryBytes: number;
}

export interface Cgroups {
  readonly version: 1 | 2;
  /** Makes it with its parents, and sets its limits. Repeatable. */
  ensure(path: string, limits: CgroupLimits): Promise<void>;
  /** Removes it with its empty children; gone already is fine. Throws EBUSY while processes are in it. */
  remove(path: string): Promise<void>;
  /** What it holds and may hold; undefined where it is not there. */
  memory(path: string): Promise<CgroupMemory | undefined>;
}

export interface CgroupMemory {
  /** Usage less the file cache that nobody touched lately. */
  readonly workingSetBytes: number;
  /** Undefined: not limited. */
  readonly limitBytes: number | undefined;
}

const periodMicros = 100_000;
const controllers = ['cpu', 'memory'] as const;

/** 2..262144 shares onto 1..10000 of weight, as runc does it. */
export const weightOf = (shares: number): number => 1 + Math.floor(((Math.max(shares, 2) - 2) * 9999) / 262_142);

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** Finds out which version is mounted at `mount`. */
export async function openCgroups(mount = '/sys/fs/cgroup'): Promise<Cgroups> {
  const isUnified = await stat(join(mount, 'cgroup.controllers')).then(
    () => true,
    () => false,
  );
  return isUnified ? unified(mount) : legacy(mount);
}

function unified(mount: string): Cgroups {
  return {
    version: 2,
    ensure: async (path, { cpuShares, cpuQuotaMicros, memoryBytes }) => {
      let at = mount;
      for (const name of path.split('/').filter((part) => part !== '')) {
        // Controllers reach a child only where its parent hands them on.
        await writeFile(join(at, 'cgroup.subtree_control'), '+cpu +memory +pids').catch(() => {});
        at = join(at, name);
        await mkdir(at, { recursive: true });
      }
      await writeFile(join(at, 'cpu.weight'), `${weightOf(cpuShares)}`);
      await writeFile(join(at, 'cpu.max'), `${cpuQuotaMicros === 0 ? 'max' : cpuQuotaMicros} ${periodMicros}`);
      await writeFile(join(at, 'memory.max'), memoryBytes === 0 ? 'max' : `${memoryBytes}`);
    },
    remove: (path) => removeTree(join(mount, path)),
    memory: (path) =>
      readMemory(join(mount, path), { usage: 'memory.current', limit: 'memory.max', idle: 'inactive_file' }),
  };
}

function legacy(mount: string): Cgroups {
  return {
    version: 1,
    ensure: async (path, { cpuShares, cpuQuotaMicros, memoryBytes }) => {
      for (const controller of controllers) await mkdir(join(mount, controller, path), { recursive: true });
      const cpu = join(mount, 'cpu', path);
      await writeFile(join(cpu, 'cpu.shares'), `${cpuShares}`);
      await writeFile(join(cpu, 'cpu.cfs_period_us'), `${periodMicros}`);
      await writeFile(join(cpu, 'cpu.cfs_quota_us'), `${cpuQuotaMicros === 0 ? -1 : cpuQuotaMicros}`);
      await writeFile(join(mount, 'memory', path, 'memory.limit_in_bytes'), `${memoryBytes === 0 ? -1 : memoryBytes}`);
    },
    // The engine makes it in every hierarchy there is.
    remove: async (path) => {
      for (const hierarchy of await readdir(mount)) await removeTree(join(mount, hierarchy, path));
    },
    memory: (path) =>
      readMemory(join(mount, 'memory', path), {
        usage: 'memory.usage_in_bytes',
        limit: 'memory.limit_in_bytes',
        idle: 'total_inactive_file',
      }),
  };
}

/** Version 1 says "no limit" with the largest multiple of a page, version 2 with a word. */
const unlimitedBytes = 2 ** 60;

async function readMemory(
  directory: string,
  names: { readonly usage: string; readonly limit: string; readonly idle: string },
): Promise<CgroupMemory | undefined> {
  try {
    const [usage = '', limit = '', statistics = ''] = await Promise.all(
      [names.usage, names.limit, 'memory.stat'].map((name) => readFile(join(directory, name), 'utf8')),
    );
    const idleBytes = Number(new RegExp(`^${names.idle} (\\d+)$`, 'm').exec(statistics)?.[1] ?? 0);
    const limitBytes = Number(limit);
    return {
      workingSetBytes: Math.max(0, Number(usage) - idleBytes),
      limitBytes: Number.isFinite(limitBytes) && limitBytes < unlimitedBytes ? limitBytes : undefined,
    };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Files in it are the kernel's and go with it; directories go from the leaves up. */
async function removeTree(directory: string): Promise<void> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    for (const entry of entries) if (entry.isDirectory()) await removeTree(join(directory, entry.name));
    await rmdir(directory);
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
  }
}
