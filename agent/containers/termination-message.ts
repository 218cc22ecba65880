// A container's last words: the file that it may write, or the end of its log.
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDirectory } from '../../host/files.ts';
import type { ContainerDetail, Engine } from '../docker/engine.ts';
import { labels } from '../docker/labels.ts';

const longestBytes = 4096;
const logLines = 80;
const longestLogBytes = 2048;

/** One file per run, named after the restart count so that it is found again without a record. */
export const messagePath = (podDirectory: string, container: string, restartCount: number): string =>
  join(podDirectory, 'containers', container, restartCount.toString(16).padStart(8, '0'));

/** Makes the empty file that is mounted into the container; what an earlier attempt left is replaced. */
export async function createMessageFile(
  podDirectory: string,
  container: string,
  restartCount: number,
): Promise<string> {
  const path = messagePath(podDirectory, container, restartCount);
  await ensureDirectory(join(podDirectory, 'containers', container), 0o750);
  await rm(path, { force: true });
  const file = await open(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o666,
  );
  try {
    await file.chmod(0o666);
  } finally {
    await file.close();
  }
  return path;
}

/** At most the last 4096 bytes. The container owned the file: nothing but a regular one is read. */
export async function readMessageFile(path: string): Promise<string> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { size } = await file.stat().then((stats) => (stats.isFile() ? stats : { size: 0 }));
      const from = Math.max(0, size - longestBytes);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, longestBytes)), { position: from });
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ELOOP' || code === 'ENOTDIR') return '';
    throw error;
  }
}

/** What an ended container had to say, by its policy. */
export async function lastWords(
  engine: Engine,
  ended: ContainerDetail,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const message = await readMessageFile(path);
  const fallsBack = ended.labels[labels.messagePolicy] === 'FallbackToLogsOnError';
  if (message !== '' || !fallsBack || ended.exitCode === 0 || ended.startedAtMs === undefined) return message;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const { data } of engine.containerLogs(ended.id, { tail: logLines }, signal)) {
    chunks.push(data);
    size += data.length;
    while (size - (chunks[0]?.length ?? 0) >= longestLogBytes) size -= chunks.shift()?.length ?? 0;
  }
  return Buffer.concat(chunks).subarray(-longestLogBytes).toString('utf8');
}
