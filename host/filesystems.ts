// File systems on block devices: what is on one, and making a new one.
import { CommandError, run } from './commands.ts';

const makeDeadlineMs = 600_000;
/** blkid's way of saying that it found nothing. */
const nothingFound = 2;

export interface DeviceContent {
  /** "ext4" */
  readonly fileSystem: string | undefined;
  /** "gpt": the device is cut into parts, and is no volume by itself. */
  readonly partitionTable: string | undefined;
}

/** What is on a device; undefined where nothing is. Throws `CommandError`. */
export async function contentOf(device: string): Promise<DeviceContent | undefined> {
  try {
    const { stdout } = await run('blkid', ['-p', '-s', 'TYPE', '-s', 'PTTYPE', '-o', 'export', '--', device]);
    const found = new Map(stdout.split('\n').map((line) => line.split('=') as [string, string]));
    return { fileSystem: found.get('TYPE'), partitionTable: found.get('PTTYPE') };
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === nothingFound) return undefined;
    throw error;
  }
}

/** Makes a file system on an empty device, all of it for its user. Throws `CommandError`. */
export async function makeFileSystem(type: string, device: string, signal?: AbortSignal): Promise<void> {
  const options = type.startsWith('ext') ? ['-F', '-m0'] : [];
  const ending = signal ? { signal } : {};
  await run(`mkfs.${type}`, [...options, '--', device], { timeoutMs: makeDeadlineMs, ...ending });
}
