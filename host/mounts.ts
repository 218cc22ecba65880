// Mounts of our mount namespace: read from mountinfo, changed through mount(8) and umount(8), never through a shell.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CommandError, run } from './commands.ts';

export interface Mount {
  readonly id: number;
  readonly parentId: number;
  /** "major:minor" */
  readonly device: string;
  /** The directory of the file system that is seen at the mount point: "/" unless it is a bind. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  readonly shared: boolean;
  readonly fsType: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** The kernel writes space, tab, newline and backslash as octal. */
function unescapeField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Reads the text of /proc/<pid>/mountinfo, in mount order. Lines that are none are skipped. See proc_pid_mountinfo(5). */
export function parseMountInfo(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right] = line.split(' - ');
    const [id, parentId, device, root, mountPoint, options, ...tags] = left.split(' ');
    const [fsType, source, superOptions] = right?.split(' ') ?? [];
    if (!device || !root || !mountPoint || !options || !fsType || source === undefined) return [];
    return [
      {
        id: Number(id),
        parentId: Number(parentId),
        device,
        root: unescapeField(root),
        mountPoint: unescapeField(mountPoint),
        options: options.split(','),
        shared: tags.some((tag) => tag.startsWith('shared:')),
        fsType,
        source: unescapeField(source),
        superOptions: superOptions?.split(',') ?? [],
      },
    ];
  });
}

export async function listMounts(): Promise<readonly Mount[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
}

const isBelow = (path: string, directory: string): boolean =>
  path === directory || directory === '/' || path.startsWith(`${directory}/`);

/** What is mounted at or below an absolute path without links, the last mounted first: the order to unmount in. */
export async function mountsBelow(path: string): Promise<readonly Mount[]> {
  const found = (await listMounts()).filter(({ mountPoint }) => isBelow(mountPoint, path));
  return found.toReversed();
}

/** What is mounted at an absolute path without links; the topmost where mounts are stacked. */
export async function mountAt(path: string): Promise<Mount | undefined> {
  return (await listMounts()).findLast(({ mountPoint }) => mountPoint === path);
}

export async function isMountPoint(path: string): Promise<boolean> {
  return (await mountAt(path)) !== undefined;
}

/** The mount that an absolute path without links lies on. */
export async function mountOf(path: string): Promise<Mount | undefined> {
  return (await listMounts())
    .filter(({ mountPoint }) => isBelow(path, mountPoint))
    .reduce<Mount | undefined>(
      (best, one) => (best && best.mountPoint.length > one.mountPoint.length ? best : one),
      undefined,
    );
}

// Their words are read below, so they must be English.
const env = { LC_ALL: 'C' };

/** Mounts a file system of `type` on an existing directory. Throws `CommandError`. */
export async function mount(
  type: string,
  source: string,
  target: string,
  options: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const withOptions = options.length === 0 ? [] : ['-o', options.join(',')];
  await run('mount', ['-t', type, ...withOptions, '--', source, target], { env, ...(signal ? { signal } : {}) });
}

/** Shows `source`, which may be a /proc/<pid>/fd link, at an existing `target`; options such as "ro". Throws `CommandError`. */
export async function bindMount(source: string, target: string, options: readonly string[] = []): Promise<void> {
  await run('mount', ['--no-canonicalize', '-o', ['bind', ...options].join(','), '--', source, target], { env });
}

/**
 * Shows layers, the uppermost first, as one tree at an existing `target`; options such as "ro". The layers may be relative to
 * `base`: the kernel takes no more than one page of words. Throws `CommandError`.
 */
export async function mountLayers(
  { base, layers }: { base: string; layers: readonly string[] },
  target: string,
  options: readonly string[],
): Promise<void> {
  const [first = ''] = layers;
  // An overlay that nobody can write to wants two layers at least.
  if (layers.length === 1) return bindMount(resolve(base, first), target, options);
  const list = layers.map((layer) => layer.replace(/[\\:,]/g, '\\$&')).join(':');
  // The newer system call takes 256 bytes per option.
  const forced = { ...env, LIBMOUNT_FORCE_MOUNT2: 'always' };
  const all = [...options, `lowerdir=${list}`].join(',');
  await run('mount', ['-t', 'overlay', '-o', all, '--', 'overlay', target], { env: forced, cwd: base });
}

/** Makes a directory a mount of its own whose later mounts are seen by whoever has a slave or a peer of it. */
export async function makeShared(path: string): Promise<void> {
  await run('mount', ['--rbind', '--', path, path], { env });
  await run('mount', ['--make-rshared', '--', path], { env });
}

/** Takes away the topmost mount at `path`; nothing there is what was wanted. Throws `CommandError`, see `isBusy`. */
export async function unmount(path: string, signal?: AbortSignal): Promise<void> {
  try {
    await run('umount', ['--no-canonicalize', '--', path], { env, ...(signal ? { signal } : {}) });
  } catch (error) {
    const gone = error instanceof CommandError && !(await isMountPoint(path));
    if (!gone) throw error;
  }
}

/** Unmounts everything at and below an absolute path without links. Throws where something is busy, or comes back. */
export async function unmountBelow(path: string, signal?: AbortSignal): Promise<void> {
  for (const { mountPoint } of await mountsBelow(path)) await unmount(mountPoint, signal);
  const [left] = await mountsBelow(path);
  if (left) throw new Error(`Cannot unmount "${left.mountPoint}": it is still mounted`);
}

/** Somebody still uses what should be unmounted. */
export function isBusy(error: unknown): boolean {
  return error instanceof CommandError && /\bbusy\b/.test(error.stderr);
}
