// Block devices of this node as volumes: handed to containers as they are, or with a file system that is made once.
import { mkdir, readlink, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { contentOf, makeFileSystem } from '../../host/filesystems.ts';
import { mount, mountAt, unmountBelow } from '../../host/mounts.ts';
import { type PodLayout, podLayout, podsDirectory } from './layout.ts';
import { namesIn, removeEmpty } from './removal.ts';
import { SetUpError } from './rules/set-up-error.ts';
import type { Turns } from './turns.ts';

export async function isBlockDevice(path: string): Promise<boolean> {
  return (await stat(path)).isBlockDevice();
}

/** Lets `link` name the device: containers get what it names. Repeatable. */
export async function ensureDeviceLink(path: string, link: string): Promise<void> {
  const device = await realpath(path).catch(() => undefined);
  if (device === undefined) throw new SetUpError(`path "${path}" does not exist`);
  if (!(await isBlockDevice(device))) throw new SetUpError(`path "${path}" is not a block device`);
  if ((await readlink(link).catch(() => undefined)) === device) return;
  await mkdir(dirname(link), { recursive: true, mode: 0o750 });
  const next = join(dirname(link), `.${basename(link)}`);
  await rm(next, { force: true });
  await symlink(device, next);
  await rename(next, link);
}

export interface FormattedDevice {
  readonly device: string;
  readonly fileSystem: string;
  readonly mountOptions: readonly string[];
}

/** Mounts the device's file system at `directory`; an empty device gets one first. Repeatable. Never formats what holds anything. */
export async function ensureFormatted(
  { device, fileSystem, mountOptions }: FormattedDevice,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  if (await mountAt(directory)) return;
  const content = await contentOf(device);
  if (content?.partitionTable) throw new SetUpError(`device "${device}" has a partition table and is not formatted`);
  if (!content && !mountOptions.includes('ro')) await makeFileSystem(fileSystem, device, signal);
  await mkdir(directory, { recursive: true, mode: 0o750 });
  await mount(fileSystem, device, directory, mountOptions, signal);
}

/** Unmounts a pod's local volumes, and the file systems below them that no other pod uses. Repeatable. */
export async function releaseLocal(layout: PodLayout, turns: Turns): Promise<void> {
  for (const name of await namesIn(layout.localVolumes)) {
    await turns.take(name, async () => {
      await unmountBelow(join(layout.localVolumes, name));
      if (await isUsedByOthers(layout, name)) return;
      await unmountBelow(layout.localMount(name));
      await removeEmpty(layout.localMount(name));
    });
  }
}

async function isUsedByOthers({ rootDir, directory }: PodLayout, name: string): Promise<boolean> {
  for (const other of await namesIn(podsDirectory(rootDir))) {
    const layout = podLayout(rootDir, other);
    if (layout.directory !== directory && (await namesIn(layout.localVolumes)).includes(name)) return true;
  }
  return false;
}
