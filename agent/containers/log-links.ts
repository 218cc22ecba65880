// Where log readers look: links from the kubelet's log directories to the engine's files.
import { readdir, readlink, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDirectory } from '../../host/files.ts';
import type { PodIdentity } from '../docker/labels.ts';

const longestName = 255;

export interface LogLinks {
  /** "<pod logs>/<ns>_<name>_<uid>/<container>/<restart count>.log" */
  pathOf(pod: PodIdentity, container: string, restartCount: number): string;
  /** Links both names to the engine's file. Repeatable. */
  link(pod: PodIdentity, container: string, restartCount: number, id: string, logPath: string): Promise<void>;
  unlink(pod: PodIdentity, container: string, restartCount: number, id: string): Promise<void>;
  /** Removes all of a pod's links and its directory. */
  removeAll(pod: PodIdentity): Promise<void>;
  /** The highest restart count that has a log; undefined where there is none. */
  lastRestartCount(pod: PodIdentity, container: string): Promise<number | undefined>;
}

export function createLogLinks(podLogsDir: string, containerLogsDir: string): LogLinks {
  const podDirectory = (pod: PodIdentity): string => join(podLogsDir, `${pod.namespace}_${pod.name}_${pod.uid}`);
  const pathOf = (pod: PodIdentity, container: string, restartCount: number): string =>
    join(podDirectory(pod), container, `${restartCount}.log`);

  /** "<pod>_<ns>_<container>-<id>.log", the name cut so that the file system takes it. */
  function legacyPath(pod: PodIdentity, container: string, id: string): string {
    const end = `-${id}.log`;
    const start = `${pod.name}_${pod.namespace}_${container}`.slice(0, longestName - end.length);
    return join(containerLogsDir, `${start}${end}`);
  }

  return {
    pathOf,
    link: async (pod, container, restartCount, id, logPath) => {
      const path = pathOf(pod, container, restartCount);
      await ensureDirectory(join(podDirectory(pod), container));
      await ensureDirectory(containerLogsDir);
      await replaceLink(path, logPath);
      await replaceLink(legacyPath(pod, container, id), path);
    },
    unlink: async (pod, container, restartCount, id) => {
      await rm(pathOf(pod, container, restartCount), { force: true });
      await rm(legacyPath(pod, container, id), { force: true });
    },
    removeAll: async (pod) => {
      const directory = podDirectory(pod);
      await rm(directory, { recursive: true, force: true });
      for (const name of await namesIn(containerLogsDir)) {
        if (!name.startsWith(`${pod.name}_${pod.namespace}_`)) continue;
        const link = join(containerLogsDir, name);
        const target = await readlink(link).catch(() => '');
        if (target.startsWith(`${directory}/`)) await rm(link, { force: true });
      }
    },
    lastRestartCount: async (pod, container) => {
      const names = await namesIn(join(podDirectory(pod), container));
      const counts = names.map((name) => /^(\d{1,9})\.log$/.exec(name)?.[1]).filter((count) => count !== undefined);
      return counts.length === 0 ? undefined : Math.max(...counts.map(Number));
    },
  };
}

async function replaceLink(path: string, target: string): Promise<void> {
  await rm(path, { force: true });
  await symlink(target, path);
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
