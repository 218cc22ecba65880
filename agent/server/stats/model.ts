// One look at what the node and its pods use, from which every statistic that the server gives is made.
import type { DiskUsage } from '../../model.ts';
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
  /** The writable layer; absent where the engine's driver does not show it. */
  readonly rootFs?: DiskUsage;
  readonly logs?: DiskUsage;
}

export interface VolumeReading {
  readonly name: string;
  /** "empty-dir", "local-volume", … */
  readonly plugin: string;
  /** Takes the node's own room; else it is a file system of its own. */
  readonly isOnDisk: boolean;
  readonly capacityBytes: number;
  readonly availableBytes: number;
  readonly usedBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
  readonly inodesUsed: number;
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
  readonly volumes: readonly VolumeReading[];
}

export interface SystemContainerStats {
  readonly name: 'kubelet' | 'runtime' | 'pods';
  readonly startedAtMs: number;
  readonly usage: Usage;
}

export interface NodeStats {
  readonly nodeName: string;
  readonly atMs: number;
  readonly machine: MachineReading & { readonly nanoCores: number | undefined };
  readonly interfaces: readonly InterfaceReading[];
  readonly fs: FileSystemReading | undefined;
  readonly imageFs: FileSystemReading | undefined;
  readonly cores: number;
  readonly ids: { readonly bootId: string; readonly machineId: string; readonly systemUuid: string };
  /** Tasks that run, and how many the kernel lets run. */
  readonly processes: { readonly count: number; readonly most: number };
  /** The agent, the engine and all pods together, where each is counted by itself. */
  readonly systemContainers: readonly SystemContainerStats[];
  readonly pods: readonly PodStats[];
}
