// /stats/summary: what `kubectl get --raw` and older collectors read (stats/v1alpha1).
import type { DiskUsage } from '../../../model.ts';
import type { FileSystemReading, NodeStats, PodStats, SystemContainerStats, Usage, VolumeReading } from '../model.ts';
import type { CgroupReading, Pressing, Stall } from './cgroup-files.ts';
import type { InterfaceReading } from './proc-files.ts';

const iso = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

type Counted = Pick<CgroupReading, 'cpuNanos'> & Pressed & { readonly nanoCores: number | undefined };
type Pressed = Partial<Pick<CgroupReading, 'pressure'>>;

function psi(pressing: Pressing | undefined) {
  const stall = ({ totalMicros, avg10, avg60, avg300 }: Stall) => ({ total: totalMicros * 1000, avg10, avg60, avg300 });
  return pressing ? { psi: { full: stall(pressing.full), some: stall(pressing.some) } } : {};
}

function io({ pressure }: Pressed, time: string) {
  return pressure ? { io: { time, ...psi(pressure.io) } } : {};
}

type Remembering = Pressed &
  Pick<CgroupReading, 'memoryBytes' | 'workingSetBytes' | 'rssBytes' | 'pageFaults' | 'majorPageFaults'>;

function cpu({ cpuNanos, nanoCores, pressure }: Counted, time: string) {
  const rate = nanoCores === undefined ? {} : { usageNanoCores: nanoCores };
  return { time, ...rate, usageCoreNanoSeconds: cpuNanos, ...psi(pressure?.cpu) };
}

function memory(usage: Remembering, limitBytes: number | undefined, time: string) {
  const available = limitBytes === undefined ? {} : { availableBytes: Math.max(0, limitBytes - usage.workingSetBytes) };
  return {
    time,
    ...available,
    usageBytes: usage.memoryBytes,
    workingSetBytes: usage.workingSetBytes,
    rssBytes: usage.rssBytes,
    pageFaults: usage.pageFaults,
    majorPageFaults: usage.majorPageFaults,
    ...psi(usage.pressure?.memory),
  };
}

function network(interfaces: readonly InterfaceReading[], time: string) {
  const all = interfaces.map(({ name, rxBytes, rxErrors, txBytes, txErrors }) => ({
    ...{ name, rxBytes, rxErrors, txBytes, txErrors },
  }));
  const main = all.find(({ name }) => name === 'eth0') ?? all[0];
  return main ? { network: { time, ...main, interfaces: all } } : {};
}

function fileSystem(reading: FileSystemReading, time: string) {
  const { availableBytes, capacityBytes, usedBytes, inodes, inodesFree } = reading;
  return { time, availableBytes, capacityBytes, usedBytes, inodesFree, inodes, inodesUsed: inodes - inodesFree };
}

/** What somebody takes of a file system that others share. */
function share(room: FileSystemReading, { bytes, inodes }: DiskUsage, time: string) {
  const { availableBytes, capacityBytes, inodesFree } = room;
  return { time, availableBytes, capacityBytes, usedBytes: bytes, inodesFree, inodes: room.inodes, inodesUsed: inodes };
}

/** Volumes that go by the pod's own name for them. */
const named = new Set(['empty-dir', 'configmap', 'secret', 'projected', 'downward-api']);

function volumeSummary({ name, plugin: _, isOnDisk: __, ...room }: VolumeReading, time: string) {
  return { time, ...room, name };
}

/** Everything of the pod that lies on the node's own disks. */
function ephemeralUse({ containers, volumes }: PodStats): DiskUsage {
  const parts = [
    ...containers.flatMap(({ rootFs, logs }) => [rootFs, logs]),
    ...volumes
      .filter(({ isOnDisk }) => isOnDisk)
      .map(({ usedBytes, inodesUsed }) => ({ bytes: usedBytes, inodes: inodesUsed })),
  ];
  return parts.reduce<DiskUsage>(
    (sum, part) => ({ bytes: sum.bytes + (part?.bytes ?? 0), inodes: sum.inodes + (part?.inodes ?? 0) }),
    { bytes: 0, inodes: 0 },
  );
}

function swap({ swapBytes }: Pick<Usage, 'swapBytes'>, time: string) {
  return { swap: { time, swapUsageBytes: swapBytes } };
}

type Part = 'everything' | 'cpu and memory';

function systemSummary({ name, startedAtMs, usage }: SystemContainerStats, part: Part) {
  const time = iso(usage.atMs);
  return {
    name,
    startTime: iso(startedAtMs),
    cpu: cpu(usage, time),
    memory: memory(usage, usage.memoryLimitBytes, time),
    ...(part === 'everything' ? swap(usage, time) : {}),
  };
}

function podSummary(pod: PodStats, { fs, imageFs, atMs }: NodeStats, part: Part) {
  const { name, namespace, uid, startedAtMs, usage } = pod;
  const ofContainer = ({ usage: own, rootFs, logs }: PodStats['containers'][number], time: string) => ({
    ...io(own, time),
    ...(imageFs && rootFs ? { rootfs: share(imageFs, rootFs, time) } : {}),
    ...(imageFs && logs ? { logs: share(imageFs, logs, time) } : {}),
    ...swap(own, time),
  });
  const containers = pod.containers.map((container) => {
    const time = iso(container.usage.atMs);
    return {
      name: container.name,
      startTime: iso(container.startedAtMs),
      cpu: cpu(container.usage, time),
      memory: memory(container.usage, container.usage.memoryLimitBytes, time),
      ...(part === 'everything' ? ofContainer(container, time) : {}),
    };
  });
  const own = usage && {
    cpu: cpu(usage, iso(usage.atMs)),
    memory: memory(usage, usage.memoryLimitBytes, iso(usage.atMs)),
  };
  const more = usage && {
    ...network(pod.interfaces, iso(usage.atMs)),
    ...io(usage, iso(usage.atMs)),
    process_stats: { process_count: usage.processes },
    ...swap(usage, iso(usage.atMs)),
  };
  const time = iso(atMs);
  const volumes = pod.volumes.filter(({ plugin }) => named.has(plugin)).map((volume) => volumeSummary(volume, time));
  const disks = {
    ...(volumes.length > 0 ? { volume: volumes } : {}),
    ...(fs ? { 'ephemeral-storage': share(fs, ephemeralUse(pod), time) } : {}),
  };
  return {
    podRef: { name, namespace, uid },
    startTime: iso(startedAtMs),
    containers,
    ...own,
    ...(part === 'everything' ? { ...more, ...disks } : {}),
  };
}

export function summaryOf(stats: NodeStats, part: Part): unknown {
  const { nodeName, machine, fs, imageFs, processes, systemContainers } = stats;
  const time = iso(stats.atMs);
  const node = {
    nodeName,
    systemContainers: systemContainers.map((one) => systemSummary(one, part)),
    startTime: iso(machine.startedAtMs),
    cpu: cpu(machine, time),
    memory: memory(machine, machine.memoryTotalBytes, time),
  };
  const more = {
    ...network(stats.interfaces, time),
    ...(fs ? { fs: fileSystem(fs, time) } : {}),
    ...(imageFs ? { runtime: { imageFs: fileSystem(imageFs, time), containerFs: fileSystem(imageFs, time) } } : {}),
    rlimit: { time, maxpid: processes.most, curproc: processes.count },
    swap: {
      time,
      swapAvailableBytes: machine.swapFreeBytes,
      swapUsageBytes: machine.swapTotalBytes - machine.swapFreeBytes,
    },
  };
  return {
    node: part === 'everything' ? { ...node, ...more } : node,
    pods: stats.pods.map((pod) => podSummary(pod, stats, part)),
  };
}
