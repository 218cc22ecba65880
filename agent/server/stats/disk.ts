// What pods take of the node's disks: layers, logs and volumes, walked now and then because walking costs.
import { lstat, readdir, readFile, readlink, statfs } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { Clock } from '../../../host/clock.ts';
import type { DiskUsage, ObservedContainer } from '../../model.ts';
import type { VolumeReading } from './model.ts';
import { parseUpperDirectory } from './rules/mount-info.ts';

export interface DiskMeter {
  /** A running container's writable layer and log files; what is gone by now is absent. */
  container(container: ObservedContainer, dataRoot: string): Promise<{ rootFs?: DiskUsage; logs?: DiskUsage }>;
  /** The volumes of a pod that lie in directories of its own, and those mounted for it. */
  volumes(uid: string): Promise<readonly VolumeReading[]>;
}

export interface DiskMeterOptions {
  readonly rootDir: string;
  /** How old a measurement may be: volumeStatsAggPeriod. */
  readonly everyMs: number;
  readonly clock: Pick<Clock, 'now'>;
}

interface Kept<T> {
  readonly atMs: number;
  readonly reading: Promise<T>;
}

const blockBytes = 512;
/** Beyond this the older half is forgotten; whoever still exists is measured again. */
const mostKept = 4096;

export function createDiskMeter({ rootDir, everyMs, clock }: DiskMeterOptions): DiskMeter {
  const kept = new Map<string, Kept<unknown>>();

  function now<T>(key: string, measure: () => Promise<T>): Promise<T> {
    const known = kept.get(key) as Kept<T> | undefined;
    if (known && clock.now() - known.atMs < everyMs) return known.reading;
    const reading = measure();
    kept.delete(key);
    kept.set(key, { atMs: clock.now(), reading });
    if (kept.size > mostKept) for (const oldest of [...kept.keys()].slice(0, mostKept / 2)) kept.delete(oldest);
    reading.catch(() => kept.delete(key));
    return reading;
  }

  return {
    container: ({ id, pid }, dataRoot) =>
      now(`container ${id}`, async () => {
        const layer = await layerOf(pid, dataRoot);
        return {
          ...(layer === undefined ? {} : { rootFs: await measureTree(layer) }),
          logs: await measureLogs(join(dataRoot, 'containers', id)),
        };
      }),
    volumes: (uid) => now(`volumes ${uid}`, () => measureVolumes(join(rootDir, 'pods', uid, 'volumes'))),
  };
}

/** The overlay's own layer, as the kernel names it for whoever lives in it; undefined with other drivers. */
async function layerOf(pid: number, dataRoot: string): Promise<string | undefined> {
  const upper = parseUpperDirectory(await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => ''));
  if (upper === undefined) return undefined;
  return isAbsolute(upper) ? upper : join(dataRoot, 'overlay2', upper);
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch(() => []);
}

async function measureLogs(directory: string): Promise<DiskUsage> {
  const names = (await namesIn(directory)).filter((name) => name.includes('-json.log'));
  const sizes = await Promise.all(names.map((name) => measureTree(join(directory, name))));
  return sizes.reduce(add, { bytes: 0, inodes: 0 });
}

const add = (a: DiskUsage, b: DiskUsage): DiskUsage => ({ bytes: a.bytes + b.bytes, inodes: a.inodes + b.inodes });

/** Blocks of a tree, hard links counted once, other file systems below it not at all. What goes meanwhile counts nothing. */
export async function measureTree(path: string): Promise<DiskUsage> {
  const top = await lstat(path).catch(() => undefined);
  if (!top) return { bytes: 0, inodes: 0 };
  const linked = new Set<number>();
  let bytes = 0;
  let inodes = 0;
  const waiting = [path];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const facts = await lstat(next).catch(() => undefined);
    if (!facts || facts.dev !== top.dev || linked.has(facts.ino)) continue;
    if (facts.nlink > 1 && !facts.isDirectory()) linked.add(facts.ino);
    bytes += facts.blocks * blockBytes;
    inodes += 1;
    if (facts.isDirectory()) for (const name of await namesIn(next)) waiting.push(join(next, name));
  }
  return { bytes, inodes };
}

async function measureVolumes(directory: string): Promise<VolumeReading[]> {
  const readings: VolumeReading[] = [];
  const device = (await lstat(directory).catch(() => undefined))?.dev;
  for (const plugin of await namesIn(directory)) {
    for (const name of await namesIn(join(directory, plugin))) {
      const reading = await measureVolume(join(directory, plugin, name), device);
      if (reading) readings.push({ name, plugin: plugin.replace('kubernetes.io~', ''), ...reading });
    }
  }
  return readings;
}

/** A mounted one is asked as a file system; a plain directory is walked, and shares the node's room. */
async function measureVolume(path: string, device: number | undefined) {
  const isLink = (await readlink(path).catch(() => undefined)) !== undefined;
  const [facts, room] = await Promise.all([lstat(path).catch(() => undefined), statfs(path).catch(() => undefined)]);
  if (isLink || !facts || !room) return undefined;
  const { bsize, blocks, bfree, bavail, files, ffree } = room;
  const whole = { capacityBytes: blocks * bsize, availableBytes: bavail * bsize, inodes: files, inodesFree: ffree };
  if (facts.dev !== device) {
    return { ...whole, isOnDisk: false, usedBytes: (blocks - bfree) * bsize, inodesUsed: files - ffree };
  }
  const used = await measureTree(path);
  return { ...whole, isOnDisk: true, usedBytes: used.bytes, inodesUsed: used.inodes };
}
