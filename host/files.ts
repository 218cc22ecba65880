// Files that survive kill -9: written beside, flushed, renamed.
import { constants } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Replaces `path` so that a reader sees the old or the new content, never half; durable when it resolves. */
export async function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const beside = `${path}.${process.pid}.tmp`;
  const file = await open(
    beside,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    mode,
  );
  try {
    await file.chmod(mode);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  await syncDirectory(dirname(path));
}

/** Makes a rename or a creation inside `path` durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The file's text, or undefined where there is none. */
export async function readIfExists(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Makes a directory with its parents. Never below the kernel's own trees: there Node tries for ever. */
export async function ensureDirectory(path: string, mode = 0o755): Promise<void> {
  if (/^\/(proc|sys)\//.test(path)) throw new Error(`Cannot make directory "${path}": the kernel owns that tree`);
  await mkdir(path, { recursive: true, mode });
}

/** Removes a file; gone already is what was wanted. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
}
