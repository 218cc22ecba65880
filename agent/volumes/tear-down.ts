// Takes a pod's volumes away: unmount strictly before anything is removed, and of what is not ours only the empty mount point.
// Nothing is remembered: what is mounted and what lies on disk says what is left to do, after a crash too.
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { unmountBelow } from '../../host/mounts.ts';
import { ownedPlugins, type PodLayout, pluginOf } from './layout.ts';
import { namesIn, removeEmpty, removeTree } from './removal.ts';

/** Unmounts and removes all volumes. Repeatable; throws while one is busy, and then has removed nothing. */
export async function tearDownVolumes(layout: PodLayout, signal: AbortSignal): Promise<void> {
  const directory = await realpath(layout.directory).catch(() => undefined);
  if (directory === undefined) return;
  await unmountBelow(directory, signal);
  // The markers go first: an emptyDir that is half removed must not look ready.
  await removeTree(layout.plugins);
  await removeTree(layout.subPaths);
  await removeTree(layout.devices);
  for (const plugin of await namesIn(layout.volumes)) {
    const remove = ownedPlugins.has(pluginOf(plugin)) ? removeTree : removeEmpty;
    for (const name of await namesIn(join(layout.volumes, plugin))) await remove(join(layout.volumes, plugin, name));
    await removeEmpty(join(layout.volumes, plugin));
  }
  await removeEmpty(layout.volumes);
}

/** The volumes, then everything else of the pod, then its directory. */
export async function removePodDirectory(layout: PodLayout, signal: AbortSignal): Promise<void> {
  await tearDownVolumes(layout, signal);
  await removeTree(layout.directory);
}
