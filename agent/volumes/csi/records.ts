// What lies beside each driver's volume on disk, so that an agent that starts again knows what to give back to whom.
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PodLayout, podLayout, podsDirectory } from '../layout.ts';
import { namesIn } from '../removal.ts';
import type { VolumeData } from '../rules/csi.ts';

const fileName = 'vol_data.json';

export type VolumeRecord = Pick<VolumeData, 'driverName' | 'volumeHandle'> & Partial<VolumeData>;

export async function writeRecord(directory: string, record: VolumeRecord): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o750 });
  const next = join(directory, `.${fileName}`);
  await writeFile(next, JSON.stringify(record), { mode: 0o600 });
  await rename(next, join(directory, fileName));
}

/** Undefined where there is none, or none that can be read: nothing was ever asked of a driver there. */
export async function readRecord(directory: string): Promise<VolumeRecord | undefined> {
  const text = await readFile(join(directory, fileName), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const record = JSON.parse(text) as Partial<VolumeData>;
  const { driverName, volumeHandle } = record;
  if (typeof driverName !== 'string' || typeof volumeHandle !== 'string') {
    throw new Error(`${join(directory, fileName)} names no driver and volume`);
  }
  return { ...record, driverName, volumeHandle };
}

export async function removeRecord(directory: string): Promise<void> {
  for (const name of [fileName, `.${fileName}`]) await rm(join(directory, name), { force: true });
}

/** A pod's volumes from drivers: their directories. */
export async function directoriesOf({ driverVolumes }: PodLayout): Promise<readonly string[]> {
  return (await namesIn(driverVolumes)).map((name) => join(driverVolumes, name));
}

/** The records of all pods on this node. */
export async function allRecords(rootDir: string): Promise<readonly VolumeRecord[]> {
  const found: VolumeRecord[] = [];
  for (const uid of await namesIn(podsDirectory(rootDir))) {
    for (const directory of await directoriesOf(podLayout(rootDir, uid))) {
      const record = await readRecord(directory);
      if (record) found.push(record);
    }
  }
  return found;
}
