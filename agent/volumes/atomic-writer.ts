// Writes a volume's files so that a reader sees all of the old or all of the new ones: the AtomicWriter layout that applications watch for.
//   ..2026_11_22_17_26_09.123456789/…  the real files      ..data → that directory      name → ..data/name
import { randomInt } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, chown, lstat, mkdir, open, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Payload, PayloadFile } from './rules/payload.ts';

const dataLink = '..data';
const nextDataLink = '..data_tmp';
const stampShape = /^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+$/;

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** Whether a volume was ever written: it may be shown to containers. */
export async function isWrittenOnce(directory: string): Promise<boolean> {
  return (await currentStamp(directory)) !== undefined;
}

/**
 * Makes `directory` show exactly `payload`; where it does already nothing is touched. Repeatable after a crash at any point.
 * `setOwnership` is called for the new files before anybody can see them.
 */
export async function writePayload(
  directory: string,
  payload: Payload,
  nowMs: number,
  setOwnership: (path: string) => Promise<void>,
): Promise<void> {
  const before = await currentStamp(directory);
  if (before === undefined || !(await holds(join(directory, before), payload))) {
    const stamp = await writeFiles(directory, payload, nowMs);
    await setOwnership(join(directory, stamp));
    await show(directory, stamp);
  }
  await linkNames(directory, payload);
  await sweep(directory);
}

/** The directory that ..data names, if it is one of ours: a link that somebody else left is not followed. */
async function currentStamp(directory: string): Promise<string | undefined> {
  const target = await readlink(join(directory, dataLink)).catch(() => undefined);
  if (target === undefined || !stampShape.test(target)) return undefined;
  const found = await lstat(join(directory, target)).catch(() => undefined);
  return found?.isDirectory() ? target : undefined;
}

/** Whether the files are there with the same content and no others. Modes alone are no reason to write again. */
async function holds(stamped: string, payload: Payload): Promise<boolean> {
  const there = await filesBelow(stamped, '');
  if (there.length !== payload.size || there.some((path) => !payload.has(path))) return false;
  for (const [path, { data }] of payload) {
    if (!data.equals(await readFile(join(stamped, path)))) return false;
  }
  return true;
}

async function filesBelow(root: string, path: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(join(root, path), { withFileTypes: true })) {
    const below = path === '' ? entry.name : `${path}/${entry.name}`;
    if (entry.isDirectory()) files.push(...(await filesBelow(root, below)));
    // What is no plain file gets a name that no payload has: it is never read, and the volume is written anew.
    else files.push(entry.isFile() ? below : `${below}/`);
  }
  return files;
}

async function writeFiles(directory: string, payload: Payload, nowMs: number): Promise<string> {
  const time = new Date(nowMs).toISOString().slice(0, 19).replace(/[-:T]/g, '_');
  const stamp = `..${time}.${randomInt(1e9, 4e9)}`;
  await mkdir(join(directory, stamp));
  await chmod(join(directory, stamp), 0o755);
  for (const [path, file] of payload) {
    await makeParents(join(directory, stamp), dirname(path));
    await writeOne(join(directory, stamp, path), file);
  }
  return stamp;
}

async function makeParents(root: string, path: string): Promise<void> {
  if (path === '.') return;
  await makeParents(root, dirname(path));
  try {
    await mkdir(join(root, path));
    await chmod(join(root, path), 0o755);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

async function writeOne(path: string, { data, mode, uid }: PayloadFile): Promise<void> {
  // Closed to others from its first byte: the wanted mode comes when the content is complete.
  const file = await open(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    mode & 0o600,
  );
  try {
    await file.writeFile(data);
    if (uid !== undefined) await chown(path, uid, -1 >>> 0);
    await file.chmod(mode);
  } finally {
    await file.close();
  }
}

/** The one step that readers notice. */
async function show(directory: string, stamp: string): Promise<void> {
  const next = join(directory, nextDataLink);
  await rm(next, { force: true });
  await symlink(stamp, next);
  await rename(next, join(directory, dataLink));
}

async function linkNames(directory: string, payload: Payload): Promise<void> {
  const names = new Set([...payload.keys()].map((path) => path.split('/')[0] ?? path));
  for (const name of names) {
    try {
      await symlink(join(dataLink, name), join(directory, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (names.has(entry.name) || !entry.isSymbolicLink() || entry.name.startsWith('..')) continue;
    const target = await readlink(join(directory, entry.name)).catch(() => '');
    if (target === join(dataLink, entry.name)) await rm(join(directory, entry.name), { force: true });
  }
}

/** Removes what earlier writes, finished or not, have left behind. */
async function sweep(directory: string): Promise<void> {
  const current = await currentStamp(directory);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name === current || !stampShape.test(entry.name)) continue;
    await rm(join(directory, entry.name), { recursive: true, force: true }).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  }
}
