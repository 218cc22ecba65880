// `nodelet reset`: stops the pods of an instance and takes away what it left on the machine, and nothing else.
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connectEngine } from '../agent/docker/connect.ts';
import type { Engine } from '../agent/docker/engine.ts';
import { labels } from '../agent/docker/labels.ts';
import { removeRoutes } from '../agent/network/routes.ts';
import { removePodTrafficRules } from '../agent/network/traffic.ts';
import { openCgroups } from '../host/cgroups.ts';
import { readIfExists } from '../host/files.ts';
import { removeLink } from '../host/links.ts';
import { holdLock } from '../host/locks.ts';
import { silentLog } from '../host/log.ts';
import { unmountBelow } from '../host/mounts.ts';
import { parseProxyConfig } from '../proxy/config/flags.ts';
import { cleanUp } from '../proxy/main.ts';
import { dataDir } from './layout.ts';
import { leaveServices } from './services.ts';
import { step } from './steps.ts';
import type { UpConfig } from './up-flags.ts';

const bridge = 'nodelet0';
const stopGraceSeconds = 5;
const atOnce = 8;

/** Repeatable; throws when the instance still runs, or when something of it cannot be removed. */
export async function resetMachine(config: UpConfig, signal: AbortSignal): Promise<void> {
  if (config.dataDir === dataDir) await step('services', leaveServices);
  const lock = await holdLock(config.dataDir);
  if (!lock) throw new Error(`data directory "${config.dataDir}" is in use: stop nodelet first`);
  try {
    await step('pods', () => removeContainers(config));
    await step('rules', async () => {
      await cleanUp(await parseProxyConfig(['--cleanup']), { log: silentLog, signal });
      await removePodTrafficRules(undefined, signal);
      return 'removed';
    });
    await step('routes and links', async () => {
      await removeRoutes(silentLog, signal);
      await removeLink(bridge, signal);
      return `${bridge} removed`;
    });
    await step('mounts and state', async () => {
      await unmountBelow(config.dataDir);
      await (await openCgroups()).remove(config.cgroupRoot);
      await removeState(config);
      return `${config.dataDir} removed`;
    });
  } finally {
    lock.release();
  }
}

async function removeContainers({ dataDir, dockerSocket, nodeName }: UpConfig): Promise<string> {
  const engine = await connectEngine(dockerSocket);
  const containers = await engine.listContainers({ [labels.node]: (await rememberedName(dataDir)) ?? nodeName });
  const queue = [...containers];
  const worker = async (): Promise<void> => {
    for (let one = queue.pop(); one; one = queue.pop()) await removeContainer(engine, one.id);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return `${containers.length} containers removed`;
}

/** The name that the instance ran under, whatever this machine is called now: its credentials say it. */
async function rememberedName(dataDir: string): Promise<string | undefined> {
  const kubeconfig = await readIfExists(join(dataDir, 'kubelet.conf'));
  return /system:node:([-a-z0-9.]+)/.exec(kubeconfig ?? '')?.[1];
}

async function removeContainer(engine: Engine, id: string): Promise<void> {
  await engine.stopContainer(id, stopGraceSeconds);
  await engine.removeContainer(id);
}

/** The log of a Docker Engine that we started stays: the engine still writes it. */
async function removeState({ dataDir }: UpConfig): Promise<void> {
  const names = await readdir(dataDir).catch(() => []);
  // A write that kill -9 cut short leaves "<name>.<pid>.tmp".
  const halves = names.filter((name) => stateNames.includes(name.replace(/\.\d+\.tmp$/, '')));
  for (const name of new Set([...stateNames, ...halves]))
    await rm(join(dataDir, name), { recursive: true, force: true });
  await rmdir(dataDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTEMPTY') throw error;
  });
}

const stateNames = [
  'admin.conf',
  'ca.crt',
  'cni',
  'controlplane',
  'kube-dns.conf',
  'kube-proxy.conf',
  'kubelet',
  'kubelet.conf',
  'kubelet.crt',
  'kubelet.key',
  'log',
];
