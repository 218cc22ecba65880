// fsGroup: gives a volume's files to a group, without following a link out of it.

import type { FileHandle } from 'node:fs/promises';
import { chmod, chown } from 'node:fs/promises';
import { closing, holdEntry, mountIdOf, namesOf, openDirectory, pathOf } from './handles.ts';
import { groupMode, rootMatches } from './rules/fs-group.ts';

export interface GroupOwnership {
  readonly gid: number;
  readonly access: 'readOnly' | 'readWrite';
}

/** Leaves the user as it is: chown's "-1". */
const sameUser = 0xffffffff;
/** Each level holds a handle open: a pod must not be able to use up all of them. */
const deepest = 1024;

/** Gives everything below `path`, and `path` last, to the group. Stays on one mount. */
export async function giveToGroup(path: string, ownership: GroupOwnership): Promise<void> {
  await closing(await openDirectory(path), async (root) => walk(root, await mountIdOf(root), ownership));
}

/** fsGroupChangePolicy OnRootMismatch: a root that looks right vouches for the rest, because it is changed last. */
export async function isGivenToGroup(path: string, gid: number): Promise<boolean> {
  return closing(await openDirectory(path), async (root) => rootMatches(await root.stat(), gid));
}

async function walk(directory: FileHandle, mountId: number, ownership: GroupOwnership, depth = 0): Promise<void> {
  if ((await mountIdOf(directory)) !== mountId) return;
  if (depth > deepest) throw new Error(`Cannot apply fsGroup: directories are nested deeper than ${deepest} levels`);
  for (const name of await namesOf(directory)) {
    await closing(await holdEntry(directory, name), async (entry) => {
      if (!(await entry.stat()).isDirectory()) return give(entry, ownership);
      await closing(await openDirectory(`${pathOf(entry)}/.`), (below) => walk(below, mountId, ownership, depth + 1));
    });
  }
  await give(directory, ownership);
}

async function give(file: FileHandle, { gid, access }: GroupOwnership): Promise<void> {
  const found = await file.stat();
  // chown clears the set-id bits, so it comes first. A link held by its own handle is never followed.
  if (found.gid !== gid) await chown(pathOf(file), sameUser, gid);
  if (found.isSymbolicLink()) return;
  const mode = groupMode(found.mode, found.isDirectory() ? 'directory' : 'file', access);
  if ((found.mode & 0o7777) !== mode || found.gid !== gid) await chmod(pathOf(file), mode);
}
