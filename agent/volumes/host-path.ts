// hostPath: a path of the node, checked against its type; what may be made is made here and never by the engine.
import type { Stats } from 'node:fs';
import { constants } from 'node:fs';
import { chmod, mkdir, open, stat } from 'node:fs/promises';
import { type FileKind, planHostPath } from './rules/host-path.ts';
import { hasBackstep } from './rules/paths.ts';
import { SetUpError } from './rules/set-up-error.ts';

function kindOf(found: Stats | undefined): FileKind {
  if (!found) return 'absent';
  if (found.isDirectory()) return 'directory';
  if (found.isFile()) return 'file';
  if (found.isSocket()) return 'socket';
  if (found.isCharacterDevice()) return 'characterDevice';
  return found.isBlockDevice() ? 'blockDevice' : 'other';
}

async function lookAt(path: string): Promise<FileKind> {
  try {
    return kindOf(await stat(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'absent';
    throw error;
  }
}

/** Checks the path, and makes what its type lets us make. Repeatable. */
export async function ensureHostPath(path: string, type: string): Promise<void> {
  if (!path.startsWith('/') || path.includes('\0')) {
    throw new SetUpError(`invalid HostPath \`${path}\`: must be an absolute path`);
  }
  if (hasBackstep(path)) throw new SetUpError(`invalid HostPath \`${path}\`: must not contain '..'`);
  const plan = planHostPath(path, type, await lookAt(path));
  switch (plan.do) {
    case 'UseIt':
      return;
    case 'Refuse':
      throw new SetUpError(plan.because);
    case 'MakeDirectory':
      await mkdir(path, { recursive: true });
      return chmod(path, plan.mode);
    case 'MakeFile':
      return makeFile(path, plan.mode);
  }
}

async function makeFile(path: string, mode: number): Promise<void> {
  const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, mode);
  try {
    await file.chmod(mode);
  } finally {
    await file.close();
  }
}
