// subPath: binds a part of a volume so that no link which a pod makes, before or during the bind, leads out of the volume.
// Every step is taken from an open handle with O_NOFOLLOW; what is bound is the handle, never a path (CVE-2017-1002101, CVE-2021-25741).
import { constants } from 'node:fs';
import { chmod, type FileHandle, lstat, mkdir, open, realpath, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { bindMount, mountAt, unmount } from '../../host/mounts.ts';
import { closing, entryOf, holdEntry, O_PATH, openDirectory } from './handles.ts';

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** Path elements of `path` below `base`, both without links; throws where it lies outside. */
function elementsBelow(base: string, path: string): string[] {
  const below = relative(base, path);
  if (below === '..' || below.startsWith('../') || below.startsWith('/')) {
    throw new Error(`path ${path} is outside of allowed base ${base}`);
  }
  return below === '' ? [] : below.split('/');
}

/** Goes down from `base` element by element; throws at every link. The handle only holds the place (O_PATH). */
async function descend(base: string, elements: readonly string[]): Promise<FileHandle> {
  let at = await open(base, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  for (const element of elements) {
    const next = await closing(at, (directory) => holdEntry(directory, element));
    if ((await next.stat()).isSymbolicLink()) {
      await next.close();
      throw new Error(`unexpected symlink found: ${element}`);
    }
    at = next;
  }
  return at;
}

/** The longest part of `elements` below `base` that exists, links followed, and what is left. */
async function existingPart(base: string, elements: readonly string[]): Promise<{ real: string; left: string[] }> {
  for (let length = elements.length; length > 0; length--) {
    try {
      const real = await realpath(join(base, ...elements.slice(0, length)));
      return { real, left: elements.slice(length) };
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }
  return { real: base, left: [...elements] };
}

async function makeDirectory(path: string | Buffer): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return false;
  }
}

/** Makes the directories that `subPath` lacks in `volume`, with the volume's own permissions. */
export async function ensureSubPath(volume: string, subPath: string): Promise<void> {
  const base = await realpath(volume);
  const { real, left } = await existingPart(
    base,
    subPath.split('/').filter((element) => element && element !== '.'),
  );
  if (left.length === 0) return;
  const mode = (await stat(base)).mode & 0o2777;
  let at = await descend(base, elementsBelow(base, real));
  try {
    for (const element of left) {
      const entry = entryOf(at, element);
      const isNew = await makeDirectory(entry);
      const next = await openDirectory(entry);
      await at.close();
      at = next;
      if (isNew) await at.chmod(mode);
    }
  } finally {
    await at.close();
  }
}

/** Binds `subPath` of `volume` at `target`, a path that no pod can write to. Repeatable: the same file is bound once. */
export async function bindSubPath(volume: string, subPath: string, target: string): Promise<void> {
  const base = await realpath(volume);
  const real = await realpath(join(base, subPath));
  await closing(await descend(base, elementsBelow(base, real)), async (source) => {
    if (await shows(target, source)) return;
    await makeTarget(target, (await source.stat()).isDirectory());
    await bindMount(`/proc/${process.pid}/fd/${source.fd}`, target);
    if (!(await shows(target, source))) throw new Error(`${target} does not show what was bound there`);
  });
}

/** Whether `target` is a mount of the held file; another file's mount there is taken away. */
async function shows(target: string, source: FileHandle): Promise<boolean> {
  while (await mountAt(target)) {
    const [there, wanted] = [await stat(target, { bigint: true }), await source.stat({ bigint: true })];
    if (there.dev === wanted.dev && there.ino === wanted.ino) return true;
    await unmount(target);
  }
  return false;
}

/** An empty directory or file to mount on. What stood there for another kind of source is replaced. */
async function makeTarget(target: string, isDirectory: boolean): Promise<void> {
  await mkdir(dirname(target), { recursive: true, mode: 0o750 });
  const there = await lstat(target).catch(() => undefined);
  if (there && there.isDirectory() !== isDirectory) await (there.isDirectory() ? rmdir(target) : unlink(target));
  if (isDirectory) await makeDirectory(target);
  else await (await open(target, constants.O_CREAT | constants.O_RDONLY | constants.O_NOFOLLOW, 0o640)).close();
  await chmod(target, isDirectory ? 0o750 : 0o640);
}
