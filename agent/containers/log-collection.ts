// Removes the log directories of pods that nobody knows any more, and links whose log has gone.
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface LogPlaces {
  readonly podLogsDir: string;
  readonly containerLogsDir: string;
}

/** A directory is made a moment before its first link. */
const youngMs = 60_000;

const namesIn = (directory: string): Promise<readonly string[]> => readdir(directory).catch(() => []);

/** "<namespace>_<name>_<uid>": whose logs these are; undefined where the name is none of ours. */
export const uidOfLogDirectory = (name: string): string | undefined => /^[^_]+_[^_]+_([^_]+)$/.exec(name)?.[1];

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );

/** Agents may share the directory: logs whose files are still there are somebody's. */
async function isDeserted(directory: string, nowMs: number): Promise<boolean> {
  const made = await stat(directory).catch(() => undefined);
  if (!made?.isDirectory() || nowMs - made.mtimeMs < youngMs) return false;
  for (const container of await namesIn(directory)) {
    for (const log of await namesIn(join(directory, container))) {
      if (await isThere(join(directory, container, log))) return false;
    }
  }
  return true;
}

export async function collectLogs(
  { podLogsDir, containerLogsDir }: LogPlaces,
  isKnown: (uid: string) => boolean,
  nowMs: number,
): Promise<void> {
  for (const name of await namesIn(podLogsDir)) {
    const uid = uidOfLogDirectory(name);
    const directory = join(podLogsDir, name);
    if (uid === undefined || isKnown(uid) || !(await isDeserted(directory, nowMs))) continue;
    await rm(directory, { recursive: true, force: true });
  }
  for (const name of await namesIn(containerLogsDir)) {
    const link = join(containerLogsDir, name);
    if (name.endsWith('.log') && !(await isThere(link))) await rm(link, { force: true });
  }
}
