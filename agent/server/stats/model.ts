// One look at what the node and its pods use, from which every statistic that the server gives is made.
import type { CgroupReading } from './rules/cgroup-files.ts';
import type { InterfaceReading, MachineReading } from './rules/proc-files.ts';

export interface Usage extends CgroupReading {
  readonly atMs: number;
  /** CPU used per second over the last window, in billionths of a core; undefined before a second look. */
  readonly nanoCores: number | undefined;
}

export interface FileSystemReading {
  readonly capacityBytes: number;
  readonly availableBytes: number;
  readonly usedBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

export interface ContainerStats {
  readonly name: string;
  readonly id: string;
  readonly image: string;
  readonly startedAtMs: number;
  readonly usage: Usage;
}

export interface PodStats {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly startedAtMs: number;
  /** Of the pod's own control group; undefined where it has none. */
  readonly usage: Usage | undefined;
  /** Empty for pods on the host's network. */
  readonly interfaces: readonly InterfaceReading[];
  readonly sandboxId: string;
  readonly containers: readonly ContainerStats[];
}

export interface NodeStats {
  readonly nodeName: string;
  readonly atMs: number;
  readonly machine: MachineReading & { readonly nanoCores: number | undefined };
  readonly interfaces: readonly InterfaceReading[];
  readonly fs: FileSystemReading | undefined;
  readonly imageFs: FileSystemReading | undefined;
  readonly cores: number;
  readonly pods: readonly PodStats[];
}
