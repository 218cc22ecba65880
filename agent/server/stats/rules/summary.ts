// /stats/summary: what `kubectl get --raw` and older collectors read (stats/v1alpha1).
import type { FileSystemReading, NodeStats, PodStats, Usage } from '../model.ts';
import type { CgroupReading } from './cgroup-files.ts';
import type { InterfaceReading } from './proc-files.ts';

const iso = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

type Counted = Pick<CgroupReading, 'cpuNanos'> & { readonly nanoCores: number | undefined };
type Remembering = Pick<
  CgroupReading,
  'memoryBytes' | 'workingSetBytes' | 'rssBytes' | 'pageFaults' | 'majorPageFaults'
>;

function cpu({ cpuNanos, nanoCores }: Counted, time: string) {
  return { time, ...(nanoCores === undefined ? {} : { usageNanoCores: nanoCores }), usageCoreNanoSeconds: cpuNanos };
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

function swap({ swapBytes }: Pick<Usage, 'swapBytes'>, time: string) {
  return { swap: { time, swapUsageBytes: swapBytes } };
}

type Part = 'everything' | 'cpu and memory';

function podSummary(pod: PodStats, part: Part) {
  const { name, namespace, uid, startedAtMs, usage } = pod;
  const containers = pod.containers.map((container) => {
    const time = iso(container.usage.atMs);
    return {
      name: container.name,
      startTime: iso(container.startedAtMs),
      cpu: cpu(container.usage, time),
      memory: memory(container.usage, container.usage.memoryLimitBytes, time),
      ...(part === 'everything' ? swap(container.usage, time) : {}),
    };
  });
  const own = usage && {
    cpu: cpu(usage, iso(usage.atMs)),
    memory: memory(usage, usage.memoryLimitBytes, iso(usage.atMs)),
  };
  const more = usage && {
    ...network(pod.interfaces, iso(usage.atMs)),
    process_stats: { process_count: usage.processes },
    ...swap(usage, iso(usage.atMs)),
  };
  return {
    podRef: { name, namespace, uid },
    startTime: iso(startedAtMs),
    containers,
    ...own,
    ...(part === 'everything' ? more : {}),
  };
}

export function summaryOf(stats: NodeStats, part: Part): unknown {
  const { nodeName, machine, fs, imageFs } = stats;
  const time = iso(stats.atMs);
  const node = {
    nodeName,
    startTime: iso(machine.startedAtMs),
    cpu: cpu(machine, time),
    memory: memory(machine, machine.memoryTotalBytes, time),
  };
  const more = {
    ...network(stats.interfaces, time),
    ...(fs ? { fs: fileSystem(fs, time) } : {}),
    ...(imageFs ? { runtime: { imageFs: fileSystem(imageFs, time) } } : {}),
    swap: {
      time,
      swapAvailableBytes: machine.swapFreeBytes,
      swapUsageBytes: machine.swapTotalBytes - machine.swapFreeBytes,
    },
  };
  return {
    node: part === 'everything' ? { ...node, ...more } : node,
    pods: stats.pods.map((pod) => podSummary(pod, part)),
  };
}
