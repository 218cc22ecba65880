// Looks at cgroup files, /proc and statfs, for every running pod and the machine.
import { readFile, stat, statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../host/clock.ts';
import type { Engine } from '../../docker/engine.ts';
import type { ObservedContainer, ObservedPod, ObservedSandbox } from '../../model.ts';
import type { PodLookup } from '../lookup.ts';
import { createDiskMeter } from './disk.ts';
import type { ContainerStats, FileSystemReading, NodeStats, PodStats, SystemContainerStats, Usage } from './model.ts';
import { type CgroupPlace, parseCgroupPlace, podPlace, readLegacy, readUnified } from './rules/cgroup-files.ts';
import { readInterfaces, readMachine, taskCount } from './rules/proc-files.ts';
import { type Rate, rateOf } from './rules/rates.ts';

export interface CollectorOptions {
  readonly pods: Pick<PodLookup, 'observeAll'>;
  readonly engine: Pick<Engine, 'info'>;
  readonly nodeName: string;
  readonly clock: Pick<Clock, 'now'>;
  /** The file system that pods' volumes lie on. */
  readonly rootDir: string;
  readonly cgroupMount?: string;
  /** The control group of all pods, below the mount; absent: not counted by itself. */
  readonly podsCgroup?: string;
  /** volumeStatsAggPeriod: how old measurements of disks may be. Default one minute. */
  readonly diskEveryMs?: number;
}

export interface Collector {
  /** A fresh look, or the last one if it is younger than a second: scrapers come in flocks. */
  collect(): Promise<NodeStats>;
}

const freshMs = 1000;
/** Wide enough that a scrape is quick, narrow enough that file reads of others are not starved. */
const width = 8;

const legacyFiles: readonly (readonly [string, string])[] = [
  ['cpuacct', 'cpuacct.usage'],
  ['cpuacct', 'cpuacct.stat'],
  ['cpu', 'cpu.stat'],
  ['cpu', 'cpu.shares'],
  ['cpu', 'cpu.cfs_quota_us'],
  ['cpu', 'cpu.cfs_period_us'],
  ['cpu', 'cgroup.procs'],
  ['memory', 'memory.stat'],
  ['memory', 'memory.max_usage_in_bytes'],
  ['memory', 'memory.failcnt'],
  ['memory', 'memory.oom_control'],
  ['blkio', 'blkio.throttle.io_service_bytes'],
  ['memory', 'memory.usage_in_bytes'],
  ['memory', 'memory.limit_in_bytes'],
  ['pids', 'pids.current'],
];
const unifiedFiles: readonly string[] = [
  ...['cpu.stat', 'cpu.weight', 'cpu.max', 'cpu.pressure', 'io.stat', 'io.pressure', 'pids.current', 'cgroup.procs'],
  ...['memory.stat', 'memory.current', 'memory.swap.current', 'memory.max', 'memory.peak', 'memory.events'],
  'memory.pressure',
];

/** What is gone by the time it is read counts as empty: pods end while we look. */
const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

export function createCollector(options: CollectorOptions): Collector {
  const { cgroupMount = '/sys/fs/cgroup', rootDir, clock } = options;
  const disk = createDiskMeter({ rootDir, clock, everyMs: options.diskEveryMs ?? 60_000 });
  const ids = readIds();
  let rates = new Map<string, Rate>();
  let last: { atMs: number; stats: Promise<NodeStats> } | undefined;

  async function usageAt(key: string, place: CgroupPlace, next: Map<string, Rate>): Promise<Usage> {
    const texts = new Map<string, string>();
    const files = place.version === 1 ? legacyFiles : unifiedFiles.map((name) => ['', name] as const);
    for (const [controller, name] of files) {
      const path = place.version === 1 ? join(controller, place.paths.get(controller) ?? '') : place.path;
      texts.set(name, await textOf(join(cgroupMount, path, name)));
    }
    const file = (name: string): string => texts.get(name) ?? '';
    const reading = place.version === 1 ? readLegacy(file) : readUnified(file);
    const atMs = options.clock.now();
    return { ...reading, atMs, nanoCores: remember(key, reading.cpuNanos, atMs, next) };
  }

  function remember(key: string, cpuNanos: number, atMs: number, next: Map<string, Rate>): number | undefined {
    const rate = rateOf(rates.get(key), { atMs, cpuNanos });
    next.set(key, rate);
    return rate.nanoCores;
  }

  async function containerStats(
    container: ObservedContainer,
    dataRoot: string | undefined,
    next: Map<string, Rate>,
  ): Promise<{ stats: ContainerStats; place: CgroupPlace } | undefined> {
    const { id, name, image, pid, startedAtMs = 0 } = container;
    const place = pid > 1 ? parseCgroupPlace(await textOf(`/proc/${pid}/cgroup`)) : undefined;
    if (!place) return undefined;
    const usage = await usageAt(id, place, next);
    const taken = dataRoot === undefined ? {} : await disk.container(container, dataRoot);
    return { place, stats: { name, id, image, startedAtMs, usage, ...taken } };
  }

  async function podStats(
    pod: ObservedPod,
    dataRoot: string | undefined,
    next: Map<string, Rate>,
  ): Promise<PodStats | undefined> {
    const sandbox = pod.sandboxes.find(({ phase }) => phase === 'running');
    if (!sandbox) return undefined;
    const running = pod.containers.filter(({ phase }) => phase === 'running');
    const looked = await Promise.all(running.map((container) => containerStats(container, dataRoot, next)));
    const found = looked.filter((one) => one !== undefined);
    const around = found[0] && podPlace(found[0].place, pod.uid);
    const { uid, name, namespace } = pod;
    return {
      ...{ uid, name, namespace, startedAtMs: sandbox.createdAtMs, sandboxId: sandbox.id },
      usage: around && (await usageAt(`pod ${uid}`, around, next)),
      interfaces: await interfacesOf(sandbox),
      containers: found.map(({ stats }) => stats),
      volumes: await disk.volumes(uid),
    };
  }

  /** This process where a service manager counts it by itself, and all pods together. */
  async function ofSystem(next: Map<string, Rate>): Promise<SystemContainerStats[]> {
    const own = parseCgroupPlace(await textOf('/proc/self/cgroup'));
    const isService = own && (own.version === 2 ? own.path : (own.paths.get('memory') ?? '')).endsWith('.service');
    const found: SystemContainerStats[] = [];
    if (own && isService) {
      const usage = await usageAt('kubelet', own, next);
      found.push({ name: 'kubelet', startedAtMs: performance.timeOrigin, usage });
    }
    const { podsCgroup } = options;
    const place = podsCgroup === undefined ? undefined : await placeAt(podsCgroup);
    if (place)
      found.push({ name: 'pods', startedAtMs: place.startedAtMs, usage: await usageAt('pods', place.at, next) });
    return found;
  }

  async function placeAt(path: string): Promise<{ at: CgroupPlace; startedAtMs: number } | undefined> {
    const isUnified = (await textOf(join(cgroupMount, 'cgroup.controllers'))) !== '';
    const directory = join(cgroupMount, isUnified ? '' : 'memory', path);
    const made = await stat(directory).catch(() => undefined);
    if (!made) return undefined;
    const everywhere = new Map(legacyFiles.map(([controller]) => [controller, path]));
    const at: CgroupPlace = isUnified ? { version: 2, path } : { version: 1, paths: everywhere };
    return { at, startedAtMs: made.ctimeMs };
  }

  async function look(): Promise<NodeStats> {
    const next = new Map<string, Rate>();
    const observed = await options.pods.observeAll();
    const dataRoot = await dataRootOf(options.engine);
    const pods = await mapWide(observed, (pod) => podStats(pod, dataRoot, next));
    const [cpus, meminfo, vmstat, loadavg = '', pidMax] = await Promise.all(
      ['stat', 'meminfo', 'vmstat', 'loadavg', 'sys/kernel/pid_max'].map((name) => textOf(`/proc/${name}`)),
    );
    const machine = readMachine({ stat: cpus ?? '', meminfo: meminfo ?? '', vmstat: vmstat ?? '' });
    const atMs = options.clock.now();
    const nanoCores = remember('machine', machine.cpuNanos, atMs, next);
    const systemContainers = await ofSystem(next);
    rates = next;
    return {
      nodeName: options.nodeName,
      atMs,
      machine: { ...machine, nanoCores },
      interfaces: readInterfaces(await textOf('/proc/self/net/dev')),
      fs: await fileSystem(options.rootDir),
      imageFs: dataRoot === undefined ? undefined : await fileSystem(dataRoot),
      processes: { count: taskCount(loadavg), most: Number(pidMax) },
      systemContainers,
      cores: availableParallelism(),
      ids: await ids,
      pods: pods.filter((pod) => pod !== undefined),
    };
  }

  return {
    collect() {
      const atMs = options.clock.now();
      if (last && atMs - last.atMs < freshMs) return last.stats;
      const stats = look();
      last = { atMs, stats };
      return stats;
    },
  };
}

async function interfacesOf({ pid, hostNetwork }: ObservedSandbox) {
  return hostNetwork || pid < 2 ? [] : readInterfaces(await textOf(`/proc/${pid}/net/dev`));
}

/** What tells this machine and this boot from others. */
async function readIds(): Promise<NodeStats['ids']> {
  const [bootId = '', machineId = '', systemUuid = ''] = await Promise.all(
    ['/proc/sys/kernel/random/boot_id', '/etc/machine-id', '/sys/class/dmi/id/product_uuid'].map(textOf),
  );
  return { bootId: bootId.trim(), machineId: machineId.trim(), systemUuid: systemUuid.trim() };
}

/** Undefined while the engine is away: its file system is not known then, the rest is. */
const dataRootOf = (engine: Pick<Engine, 'info'>): Promise<string | undefined> =>
  engine.info().then(
    ({ dataRoot }) => dataRoot,
    () => undefined,
  );

async function fileSystem(path: string): Promise<FileSystemReading | undefined> {
  try {
    const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path);
    return {
      capacityBytes: blocks * bsize,
      availableBytes: bavail * bsize,
      usedBytes: (blocks - bfree) * bsize,
      inodes: files,
      inodesFree: ffree,
    };
  } catch {
    return undefined;
  }
}

async function mapWide<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries();
  const worker = async (): Promise<void> => {
    for (const [i, item] of entries) results[i] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
