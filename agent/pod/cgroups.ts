// Where a pod's processes are counted: a cgroup per pod below the agent's own root.
import { join } from 'node:path';
import { memoryUsage, presentLimits } from '../../host/cgroup-facts.ts';
import type { Cgroups } from '../../host/cgroups.ts';
import type { Pod } from '../../kube/types.ts';
import { podCgroup } from '../containers/rules/resources.ts';

export interface PodCgroups {
  /** Makes the pod's cgroup and answers with what the engine calls it. */
  ensure(pod: Pod): Promise<string>;
  /** Lets through what its present limits or the pod's new ones do, until `ensure` sets the new ones. */
  widen(pod: Pod): Promise<void>;
  /** What the cgroup of a process has in memory; undefined once that is gone. */
  memoryUsage(pid: number): Promise<number | undefined>;
  /** Removes it, whichever class the pod was of. */
  remove(uid: string): Promise<void>;
}

export interface PodCgroupOptions {
  readonly driver: 'cgroupfs' | 'systemd';
  /** "/" or "/nodelet" */
  readonly root: string;
}

/** 0 is unlimited. */
const looser = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : Math.max(a, b));

const classes = [['kubepods'], ['kubepods', 'burstable'], ['kubepods', 'besteffort']];

/** "kubepods-burstable-pod0a_1b.slice": systemd reads the path out of the name, so a dash in a UID must go. */
export const sliceName = (path: readonly string[]): string =>
  `${path.map((part) => part.replaceAll('-', '_')).join('-')}.slice`;

/** The path of the cgroup of all pods, or of a class of them, below the mount. systemd nests by name. */
export function levelPath({ driver, root }: PodCgroupOptions, level: readonly string[]): string {
  const parts = [...root.split('/').filter((part) => part !== ''), ...level];
  if (driver === 'cgroupfs') return join('/', ...parts);
  return join('/', ...parts.map((_, at) => sliceName(parts.slice(0, at + 1))));
}

export function createPodCgroups(cgroups: Cgroups, { driver, root }: PodCgroupOptions): PodCgroups {
  if (driver === 'systemd') {
    const prefix = root.split('/').filter((part) => part !== '');
    // systemd makes slices when they are first named and drops them when they are empty.
    return {
      ensure: async (pod) => sliceName([...prefix, ...podCgroup(pod).path]),
      widen: async () => {},
      memoryUsage: (pid) => memoryUsage(cgroups.version, pid),
      remove: async () => {},
    };
  }
  return {
    ensure: async (pod) => {
      const { path, ...limits } = podCgroup(pod);
      const full = join('/', root, ...path);
      await cgroups.ensure(full, limits);
      return full;
    },
    widen: async (pod) => {
      const { path, ...limits } = podCgroup(pod);
      const full = join('/', root, ...path);
      const now = await presentLimits(cgroups.version, full);
      await cgroups.ensure(full, {
        ...limits,
        cpuQuotaMicros: looser(now.cpuQuotaMicros, limits.cpuQuotaMicros),
        memoryBytes: looser(now.memoryBytes, limits.memoryBytes),
      });
    },
    memoryUsage: (pid) => memoryUsage(cgroups.version, pid),
    remove: async (uid) => {
      for (const parent of classes) await cgroups.remove(join('/', root, ...parent, `pod${uid}`));
    },
  };
}
