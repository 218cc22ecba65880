// Walks directories by file handle, so that a path that changes under our feet cannot lead us elsewhere. Linux's openat, through /proc/self/fd.
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, readFile } from 'node:fs/promises';

/** The same number on x86-64 and arm64; Node does not name it. Opens nothing, only holds the place: no FIFO blocks it. */
export const O_PATH = 0o10000000;

const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** The path of an open handle's own file, whatever its name is by now. */
export function pathOf({ fd }: FileHandle): string {
  return `/proc/self/fd/${fd}`;
}

/** One entry of an open directory; `name` must be one path element. Bytes, because pods need not write UTF-8. */
export function entryOf(directory: FileHandle, name: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${pathOf(directory)}/`), Buffer.from(name)]);
}

/** Holds the entry itself, a link included. */
export function holdEntry(directory: FileHandle, name: string | Buffer): Promise<FileHandle> {
  return open(entryOf(directory, name), O_PATH | constants.O_NOFOLLOW);
}

/** Opens a directory to read it; throws ENOTDIR where there is a link or anything else. */
export function openDirectory(path: string | Buffer): Promise<FileHandle> {
  return open(path, directoryFlags);
}

/** The names in an open directory. */
export function namesOf(directory: FileHandle): Promise<Buffer[]> {
  return readdir(pathOf(directory), { encoding: 'buffer' });
}

/** The mount that an open file lies on: differs even between two binds of one file system. */
export async function mountIdOf({ fd }: FileHandle): Promise<number> {
  const info = await readFile(`/proc/self/fdinfo/${fd}`, 'utf8');
  return Number(/^mnt_id:\s*(\d+)/m.exec(info)?.[1]);
}

export async function closing<T>(handle: FileHandle, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}
