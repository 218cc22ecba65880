// Looks at the machine: what never changes once, what does cheaply from /proc, /sys and statfs.
import { lookup } from 'node:dns/promises';
import { readdir, readFile, stat, statfs } from 'node:fs/promises';
import { networkInterfaces, release } from 'node:os';
import { readIfExists } from '../../host/files.ts';
import type { AddressFacts } from './rules/addresses.ts';
import type { Signal } from './rules/pressure.ts';
import {
  countCpus,
  type MemoryFacts,
  parseDefaultInterface,
  parseDefaultInterface6,
  parseMeminfo,
  parseOsName,
  parseTaskCount,
} from './rules/proc.ts';
import type { DiskLayout } from './rules/ranking.ts';
import type { SignalName } from './rules/thresholds.ts';

/** What stays the same until the next boot. */
export interface Machine {
  readonly cpus: number;
  readonly machineId: string;
  readonly systemUuid: string;
  readonly bootId: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  /** Page size in KiB → number of pages set aside. */
  readonly hugepages: ReadonlyMap<number, number>;
}

const trimmed = async (path: string): Promise<string> => ((await readIfExists(path)) ?? '').trim();

/** The firmware's UUID: from /sys where the kernel shows it, else asked of the tools that know (dmidecode, device tree). */
async function systemUuid(machineId: string): Promise<string> {
  const shown = await trimmed('/sys/class/dmi/id/product_uuid');
  if (shown !== '') return shown;
  const { default: systeminformation } = await import('systeminformation');
  const { hardware } = await systeminformation.uuid();
  return hardware || machineId;
}

async function hugepages(): Promise<ReadonlyMap<number, number>> {
  const root = '/sys/kernel/mm/hugepages';
  const sizes = await readdir(root).catch(() => []);
  const pages = await Promise.all(
    sizes.map(async (size): Promise<[number, number]> => {
      const sizeKib = Number(/^hugepages-(\d+)kB$/.exec(size)?.[1] ?? 0);
      return [sizeKib, Number(await trimmed(`${root}/${size}/nr_hugepages`))];
    }),
  );
  return new Map(pages.filter(([sizeKib]) => sizeKib > 0).sort(([a], [b]) => a - b));
}

export async function readMachine(): Promise<Machine> {
  const machineId = await trimmed('/etc/machine-id');
  return {
    cpus: countCpus(await readFile('/sys/devices/system/cpu/online', 'utf8')),
    machineId,
    systemUuid: await systemUuid(machineId),
    bootId: await trimmed('/proc/sys/kernel/random/boot_id'),
    kernelVersion: release(),
    osImage: parseOsName((await readIfExists('/etc/os-release')) ?? ''),
    hugepages: await hugepages(),
  };
}

export async function readMemory(): Promise<MemoryFacts> {
  return parseMeminfo(await readFile('/proc/meminfo', 'utf8'));
}

interface FileSystem {
  readonly bytes: Signal;
  readonly inodes: Signal;
}

export async function readFileSystem(path: string): Promise<FileSystem> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(path);
  return {
    bytes: { available: bavail * bsize, capacity: blocks * bsize },
    inodes: { available: ffree, capacity: files },
  };
}

/** Where the signals are read. */
export interface SignalPlaces {
  /** The agent's own: pods' volumes and logs. */
  readonly rootDir: string;
  /** The engine's: images and layers. */
  readonly imageDir: string;
  /** All pods together; undefined where they are not counted. */
  readonly pods: () => Promise<
    { readonly workingSetBytes: number; readonly limitBytes: number | undefined } | undefined
  >;
}

export interface SignalsRead {
  readonly signals: Readonly<Partial<Record<SignalName, Signal>>>;
  readonly layout: DiskLayout;
}

/** The eviction signals. */
export async function readSignals({ rootDir, imageDir, pods }: SignalPlaces): Promise<SignalsRead> {
  const [memory, ofPods, node, images, loadavg, pidMax, [one, other]] = await Promise.all([
    readMemory(),
    pods(),
    readFileSystem(rootDir),
    readFileSystem(imageDir),
    readFile('/proc/loadavg', 'utf8'),
    readFile('/proc/sys/kernel/pid_max', 'utf8'),
    Promise.all([stat(rootDir), stat(imageDir)]),
  ]);
  const pids = Number(pidMax);
  const signals: Partial<Record<SignalName, Signal>> = {
    'memory.available': { available: memory.availableBytes, capacity: memory.totalBytes },
    'nodefs.available': node.bytes,
    'imagefs.available': images.bytes,
    'pid.available': { available: pids - parseTaskCount(loadavg), capacity: pids },
  };
  // File systems without a fixed number of inodes (btrfs) report none at all.
  if (node.inodes.capacity > 0) signals['nodefs.inodesFree'] = node.inodes;
  if (images.inodes.capacity > 0) signals['imagefs.inodesFree'] = images.inodes;
  if (ofPods?.limitBytes !== undefined) {
    const capacity = ofPods.limitBytes;
    signals['allocatableMemory.available'] = { available: capacity - ofPods.workingSetBytes, capacity };
  }
  return { signals, layout: one.dev === other.dev ? 'shared' : 'split' };
}

/** The addresses that `name` resolves to; none where it does not within two seconds. */
export async function resolveName(name: string): Promise<readonly string[]> {
  const late = AbortSignal.timeout(2000);
  const tooLate = new Promise<readonly string[]>((resolve) =>
    late.addEventListener('abort', () => resolve([]), { once: true }),
  );
  const answers = lookup(name, { all: true }).then(
    (found) => found.map(({ address }) => address),
    () => [],
  );
  return Promise.race([answers, tooLate]);
}

/** `scope` and link-local zones are left out: "fe80::1%eth0" is nobody's node address. */
export async function readInterfaces(): Promise<Pick<AddressFacts, 'interfaces' | 'defaultInterfaces'>> {
  const interfaces = new Map(
    Object.entries(networkInterfaces()).map(([name, list]) => [name, (list ?? []).map(({ address }) => address)]),
  );
  const routes = [
    parseDefaultInterface((await readIfExists('/proc/net/route')) ?? ''),
    parseDefaultInterface6((await readIfExists('/proc/net/ipv6_route')) ?? ''),
  ];
  return { interfaces, defaultInterfaces: routes.filter((name) => name !== undefined) };
}
