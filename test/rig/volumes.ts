// A volumes room over real mounts below the test's scratch directory, with everything around it faked.
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PodEvent } from '../../agent/model.ts';
import { createVolumes, type VolumesParts, type VolumesRoom } from '../../agent/volumes/volumes.ts';
import { systemClock } from '../../host/clock.ts';
import { silentLog } from '../../host/log.ts';
import { unmountBelow } from '../../host/mounts.ts';
import { createFakePodObjects, type FakePodObjects } from '../fakes/pod-objects.ts';

export interface VolumesBed {
  /** The agent's root directory, without links. */
  readonly root: string;
  /** A place outside of the root: what an attack must not reach. */
  readonly outside: string;
  readonly volumes: VolumesRoom;
  readonly objects: FakePodObjects;
  readonly events: PodEvent[];
  /** The room as a new process would make it: it knows nothing but what the machine shows. */
  restarted(): VolumesRoom;
  /** Unmounts and removes everything. */
  remove(): Promise<void>;
}

export async function createVolumesBed(over: Partial<VolumesParts> = {}): Promise<VolumesBed> {
  const directory = await realpath(await mkdtemp(join(process.env['NODELET_TEST_DIR'] ?? tmpdir(), 'volumes-')));
  const root = join(directory, 'root');
  const outside = join(directory, 'outside');
  await mkdir(root);
  await mkdir(outside);
  const objects = createFakePodObjects();
  const events: PodEvent[] = [];
  const parts: VolumesParts = {
    rootDir: root,
    objects,
    node: {
      name: 'node-1',
      allocatable: () => ({ cpu: '2', memory: '1Gi', 'ephemeral-storage': '10Gi' }),
      labels: () => ({ 'kubernetes.io/hostname': 'node-1' }),
    },
    events: { pod: (_, event) => events.push(event), node: () => {} },
    log: silentLog,
    clock: systemClock,
    ...over,
  };
  return {
    root,
    outside,
    objects,
    events,
    volumes: createVolumes(parts),
    restarted: () => createVolumes(parts),
    remove: async () => {
      await unmountBelow(directory);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Does `act` while the room keeps its volumes fresh, and stops that whatever comes of it. */
export async function whileFresh(volumes: VolumesRoom, act: () => Promise<void>): Promise<void> {
  const ended = new AbortController();
  const running = volumes.run(ended.signal);
  try {
    await act();
  } finally {
    ended.abort();
    await running;
  }
}

/** Waits until `holds` does; throws after ten seconds. */
export async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await holds()) return;
    await sleep(20);
  }
  throw new Error(`Not within ten seconds: ${what}`);
}
