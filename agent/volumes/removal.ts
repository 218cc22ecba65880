// Removes directory trees without ever following a link or reaching through a mount, however deep a pod has made them.
import { randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { readdir, rename, rmdir, unlink } from 'node:fs/promises';
import { closing, entryOf, mountIdOf, namesOf, openDirectory } from './handles.ts';

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

async function goneIsFine(act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/**
 * Removes the directory `path` and all below it; a link or file in its place loses only its name.
 * Throws, with everything behind the mount untouched, where something is mounted in it.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await closing(await openDirectory(path), empty);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    if (codeOf(error) === 'ENOTDIR') return goneIsFine(() => unlink(path));
    throw new Error(`Cannot remove "${path}": ${(error as Error).message}`, { cause: error });
  }
  await goneIsFine(() => rmdir(path));
}

/** Grandchildren are moved up to be children until none is left: no depth can use up our stack or our file handles. */
async function empty(root: FileHandle): Promise<void> {
  const mountId = await mountIdOf(root);
  for (let names = await namesOf(root); names.length > 0; names = await namesOf(root)) {
    for (const name of names) await removeChild(root, entryOf(root, name), mountId);
  }
}

async function removeChild(root: FileHandle, child: Buffer, mountId: number): Promise<void> {
  try {
    await unlink(child);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    if (codeOf(error) !== 'EISDIR') throw error;
    await closing(await openDirectory(child), (directory) => hollow(root, directory, mountId));
    await goneIsFine(() => rmdir(child));
  }
}

async function hollow(root: FileHandle, directory: FileHandle, mountId: number): Promise<void> {
  if ((await mountIdOf(directory)) !== mountId) throw new Error('something is mounted in it');
  for (const name of await namesOf(directory)) {
    const entry = entryOf(directory, name);
    try {
      await unlink(entry);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') continue;
      if (codeOf(error) !== 'EISDIR') throw error;
      // Renaming fails at a mount point and never crosses one.
      await rename(entry, entryOf(root, `.removing-${randomBytes(8).toString('hex')}`));
    }
  }
}

/** Removes a directory that should be empty; throws ENOTEMPTY where it is not. */
export async function removeEmpty(path: string): Promise<void> {
  await goneIsFine(() => rmdir(path));
}

/** Names in a directory; none where it does not exist. */
export async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
