// The storage drivers on this node: found by the sockets that their registrars put into plugins_registry, gone with them.
import { watch } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../host/clock.ts';
import type { Log } from '../../../host/log.ts';
import type { ApiClient } from '../../../kube/client.ts';
import { isNotFound } from '../../../kube/errors.ts';
import { SetUpError } from '../rules/set-up-error.ts';
import { call } from './call.ts';
import { getInfo, nodeGetCapabilities, nodeGetInfo, notifyRegistrationStatus } from './messages.ts';
import { addDriver, ensureCsiNode, removeDriver } from './node-object.ts';

export interface Driver {
  readonly name: string;
  readonly socket: string;
  /** Numbers of the specification. */
  readonly capabilities: ReadonlySet<number>;
}

export interface Drivers {
  /** Throws `SetUpError` where it is not registered (any more). */
  find(name: string): Driver;
  /** Registers and forgets drivers until `signal` ends; `onChange` is called when one has come. Never rejects. */
  run(onChange: () => void, signal: AbortSignal): Promise<void>;
}

export interface DriversParts {
  /** "<root>/plugins_registry" */
  readonly directory: string;
  readonly nodeName: string;
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
}

/** The watch tells at once; this is for what it missed, and for registrations that failed. */
const lookAgainMs = 10_000;
const lookSoonMs = 1000;

interface Registered {
  /** Another socket at the same path is another plugin. */
  readonly inode: bigint;
  readonly driver: Driver | undefined;
}

export function createDrivers({ directory, nodeName, client, clock, log }: DriversParts): Drivers {
  /** By the registrar's socket. */
  const known = new Map<string, Registered>();
  let hasNode = false;

  async function register(socket: string, inode: bigint, signal: AbortSignal): Promise<void> {
    const { type = '', name = '', endpoint = '', supportedVersions = [] } = await call(socket, getInfo, {}, signal);
    const answer = (error: string) =>
      call(socket, notifyRegistrationStatus, { pluginRegistered: error === '', error }, signal);
    const refusal = refusalOf(type, name, supportedVersions, socket);
    if (refusal) {
      // It will say the same again: only another socket is asked anew.
      known.set(socket, { inode, driver: undefined });
      log.warn({ plugin: name, type, socket }, 'Plugin refused');
      await answer(refusal);
      return;
    }
    try {
      const driver = await introduce(name, endpoint || socket, signal);
      known.set(socket, { inode, driver });
      log.info({ driver: name, socket }, 'Storage driver registered');
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      await answer(`RegisterPlugin error -- plugin registration failed with err: ${words}`);
      throw error;
    }
    await answer('');
  }

  async function introduce(name: string, socket: string, signal: AbortSignal): Promise<Driver> {
    const { nodeId = '', maxVolumesPerNode = 0, accessibleTopology } = await call(socket, nodeGetInfo, {}, signal);
    const { capabilities = [] } = await call(socket, nodeGetCapabilities, {}, signal);
    const topology = accessibleTopology?.segments ?? {};
    await addDriver(client, nodeName, { name, nodeId, maxVolumes: maxVolumesPerNode, topology }, signal);
    return { name, socket, capabilities: new Set(capabilities.map(({ rpc }) => rpc?.type ?? 0)) };
  }

  /** True when a driver has come. */
  async function look(signal: AbortSignal): Promise<boolean> {
    if (!hasNode) await ensureCsiNode(client, nodeName, signal);
    hasNode = true;
    const sockets = await socketsBelow(directory);
    for (const [socket, { driver, inode }] of known) {
      if (sockets.get(socket) === inode) continue;
      const isReplaced = [...known].some(([path, other]) => path !== socket && other.driver?.name === driver?.name);
      if (driver && !isReplaced && !sockets.has(socket)) await removeDriver(client, nodeName, driver.name, signal);
      known.delete(socket);
      if (driver) log.info({ driver: driver.name, socket }, 'Storage driver gone');
    }
    let hasNew = false;
    for (const [socket, inode] of sockets) {
      if (known.has(socket)) continue;
      try {
        await register(socket, inode, signal);
        hasNew = true;
      } catch (err) {
        if (!signal.aborted) log.warn({ socket, err }, 'Plugin not registered');
      }
    }
    return hasNew;
  }

  return {
    find: (name) => {
      const driver = [...known.values()].findLast((one) => one.driver?.name === name)?.driver;
      if (!driver) throw new SetUpError(`driver name ${name} not found in the list of registered CSI drivers`);
      return driver;
    },
    run: async (onChange, signal) => {
      await mkdir(directory, { recursive: true, mode: 0o750 });
      let wake = Promise.withResolvers<void>();
      const watcher = watch(directory, { recursive: true, signal }, () => wake.resolve());
      watcher.on('error', (err) => log.warn({ err }, 'Plugin directory not watched'));
      while (!signal.aborted) {
        wake = Promise.withResolvers();
        let pauseMs = lookAgainMs;
        try {
          if (await look(signal)) onChange();
        } catch (err) {
          pauseMs = lookSoonMs;
          // Before this machine is a node there is nothing to write its drivers to.
          if (!signal.aborted && !isNotFound(err)) log.warn({ err }, 'Storage drivers not looked for');
        }
        await nextLook(clock, pauseMs, wake.promise, signal);
      }
    },
  };
}

function refusalOf(type: string, name: string, versions: readonly string[], socket: string): string | undefined {
  if (type !== 'CSIPlugin') return `no handler registered for plugin type: ${type} at socket ${socket}`;
  if (!/^[a-zA-Z0-9][-.a-zA-Z0-9]{0,62}$/.test(name)) return `invalid CSI driver name ${JSON.stringify(name)}`;
  if (versions.some((version) => /^v?1\./.test(version))) return undefined;
  return `none of the CSI versions reported by this driver are supported: ${versions.join(', ')}`;
}

/** Sockets by path with their inodes; names that begin with a dot are not ready yet. */
async function socketsBelow(directory: string): Promise<Map<string, bigint>> {
  const found = new Map<string, bigint>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isSocket() || path.slice(directory.length).includes('/.')) continue;
    const { ino } = await stat(path, { bigint: true });
    found.set(path, ino);
  }
  return found;
}

async function nextLook(clock: Clock, pauseMs: number, woken: Promise<void>, signal: AbortSignal): Promise<void> {
  const ended = new AbortController();
  const slept = clock.sleep(pauseMs, AbortSignal.any([signal, ended.signal])).catch(() => {});
  await Promise.race([woken, slept]);
  ended.abort();
}
