// emptyDir: a directory on disk, in memory or on huge pages, made once and then the pod's own.
import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { dirname } from 'node:path';
import { mount, mountAt } from '../../host/mounts.ts';
import { knowsNoSwap } from './rules/empty-dir.ts';

export type Medium =
  | { readonly kind: 'disk' }
  /** 0 is the kernel's own bound: half of the memory. */
  | { readonly kind: 'memory'; readonly sizeBytes: number }
  | { readonly kind: 'hugePages'; readonly pageSize: string };

/**
 * Makes the directory that everybody may write to (the containers' users are not known), on its medium. Repeatable.
 * Says whether a file system was mounted for it just now: after a reboot memory is empty again.
 */
export async function ensureMedium(directory: string, medium: Medium, signal: AbortSignal): Promise<boolean> {
  await mkdir(dirname(directory), { recursive: true, mode: 0o750 });
  await makeOpenDirectory(directory);
  if (medium.kind === 'disk' || (await mountAt(directory))) return false;
  if (medium.kind === 'hugePages') {
    await mount('hugetlbfs', 'nodev', directory, [`pagesize=${medium.pageSize}`], signal);
  } else {
    const size = medium.sizeBytes > 0 ? [`size=${medium.sizeBytes}`] : [];
    await mount('tmpfs', 'tmpfs', directory, [...size, ...(knowsNoSwap(release()) ? ['noswap'] : [])], signal);
  }
  return true;
}

async function makeOpenDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory);
    // The umask has had its say in mkdir.
    await chmod(directory, 0o777);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Whether the emptyDir was set up before; its content is then not ours to change any more. */
export async function isReady(marker: string): Promise<boolean> {
  return (await stat(marker).catch(() => undefined)) !== undefined;
}

export async function markReady(marker: string): Promise<void> {
  await mkdir(dirname(marker), { recursive: true, mode: 0o750 });
  await writeFile(marker, '');
}
