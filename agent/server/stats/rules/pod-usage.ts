// One look at the node as eviction wants it: by pod, nothing but amounts.
import type { PodUsage } from '../../../model.ts';
import type { NodeStats } from '../model.ts';

export function podUsages({ pods }: Pick<NodeStats, 'pods'>): readonly PodUsage[] {
  return pods.map(({ uid, usage, containers, volumes }) => ({
    uid,
    memoryBytes: containers.reduce((sum, one) => sum + one.usage.workingSetBytes, 0),
    processes: usage?.processes ?? containers.reduce((sum, one) => sum + one.usage.processes, 0),
    containers: containers.map(({ name, usage: { workingSetBytes }, rootFs, logs }) => ({
      name,
      memoryBytes: workingSetBytes,
      ...(rootFs ? { rootFs } : {}),
      ...(logs ? { logs } : {}),
    })),
    volumes: volumes.map(({ name, isOnDisk, usedBytes, inodesUsed }) => ({
      name,
      isOnDisk,
      bytes: usedBytes,
      inodes: inodesUsed,
    })),
  }));
}
