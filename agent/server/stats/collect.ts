// Looks at cgroup files, /proc and statfs, for every running pod and the machine.
import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../host/clock.ts';
import type { Engine } from '../../docker/engine.ts';
import type { ObservedContainer, ObservedPod, ObservedSandbox } from '../../model.ts';
import type { PodLookup } from '../lookup.ts';
import type { ContainerStats, FileSystemReading, NodeStats, PodStats, Usage } from './model.ts';
import { type CgroupPlace, parseCgroupPlace, podPlace, readLegacy, readUnified } from './rules/cgroup-files.ts';
import { readInterfaces, readMachine } from './rules/proc-files.ts';
import { type Rate, rateOf } from './rules/rates.ts';

export interface CollectorOptions {
  readonly pods: Pick<PodLookup, 'observeAll'>;
  readonly engine: Pick<Engine, 'info'>;
  readonly nodeName: string;
  readonly clock: Pick<Clock, 'now'>;
  /** The file system that pods' volumes lie on. */
  readonly rootDir: string;
  readonly cgroupMount?: string;
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
  ['memory', 'memory.stat'],
  ['memory', 'memory.usage_in_bytes'],
  ['memory', 'memory.limit_in_bytes'],
  ['pids', 'pids.current'],
];
const unifiedFiles: readonly string[] = [
  ...['cpu.stat', 'memory.stat', 'memory.current', 'memory.swap.current', 'memory.max', 'pids.current'],
];

/** What is gone by the time it is read counts as empty: pods end while we look. */
const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

export function createCollector(options: CollectorOptions): Collector {
  const { cgroupMount = '/sys/fs/cgroup' } = options;
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
    next: Map<string, Rate>,
  ): Promise<{ stats: ContainerStats; place: CgroupPlace } | undefined> {
    const { id, name, image, pid, startedAtMs = 0 } = container;
    const place = pid > 1 ? parseCgroupPlace(await textOf(`/proc/${pid}/cgroup`)) : undefined;
    if (!place) return undefined;
    return { place, stats: { name, id, image, startedAtMs, usage: await usageAt(id, place, next) } };
  }

  async function podStats(pod: ObservedPod, next: Map<string, Rate>): Promise<PodStats | undefined> {
    const sandbox = pod.sandboxes.find(({ phase }) => phase === 'running');
    if (!sandbox) return undefined;
    const running = pod.containers.filter(({ phase }) => phase === 'running');
    const looked = await Promise.all(running.map((container) => containerStats(container, next)));
    const found = looked.filter((one) => one !== undefined);
    const around = found[0] && podPlace(found[0].place, pod.uid);
    const { uid, name, namespace } = pod;
    return {
      ...{ uid, name, namespace, startedAtMs: sandbox.createdAtMs, sandboxId: sandbox.id },
      usage: around && (await usageAt(`pod ${uid}`, around, next)),
      interfaces: await interfacesOf(sandbox),
      containers: found.map(({ stats }) => stats),
    };
  }

  async function look(): Promise<NodeStats> {
    const next = new Map<string, Rate>();
    const observed = await options.pods.observeAll();
    const pods = await mapWide(observed, (pod) => podStats(pod, next));
    const [stat, meminfo, vmstat] = await Promise.all(
      ['stat', 'meminfo', 'vmstat'].map((name) => textOf(`/proc/${name}`)),
    );
    const machine = readMachine({ stat: stat ?? '', meminfo: meminfo ?? '', vmstat: vmstat ?? '' });
    const atMs = options.clock.now();
    const nanoCores = remember('machine', machine.cpuNanos, atMs, next);
    rates = next;
    return {
      nodeName: options.nodeName,
      atMs,
      machine: { ...machine, nanoCores },
      interfaces: readInterfaces(await textOf('/proc/self/net/dev')),
      fs: await fileSystem(options.rootDir),
      imageFs: await imageFileSystem(options.engine),
      cores: availableParallelism(),
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

async function imageFileSystem(engine: Pick<Engine, 'info'>): Promise<FileSystemReading | undefined> {
  try {
    return await fileSystem((await engine.info()).dataRoot);
  } catch {
    // The engine is away: its file system is not known, the rest is.
    return undefined;
  }
}

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
