// Volumes of storage drivers (CSI): attached, staged once for the node, published for each pod; and all that backwards.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../host/clock.ts';
import type { Log } from '../../../host/log.ts';
import { isMountPoint } from '../../../host/mounts.ts';
import type { ApiClient } from '../../../kube/client.ts';
import { isNotFound } from '../../../kube/errors.ts';
import { csiDrivers } from '../../../kube/resources.ts';
import type { CSIDriver, Pod } from '../../../kube/types.ts';
import { type PodObjects, VolumeError } from '../../model.ts';
import type { PodLayout } from '../layout.ts';
import { giveToGroup, isGivenToGroup } from '../ownership.ts';
import { namesIn, removeEmpty } from '../removal.ts';
import {
  accessModeNumber,
  checkLifecycle,
  type DriverVolume,
  needsAttachment,
  podInfo,
  type SecretName,
  stageDirectoryName,
  takesGroup,
  tokensKey,
  tokensText,
  uniqueName,
  volumeData,
} from '../rules/csi.ts';
import { SetUpError } from '../rules/set-up-error.ts';
import { createTurns } from '../turns.ts';
import { createAttachments } from './attachments.ts';
import { call } from './call.ts';
import { createDrivers, type Driver } from './drivers.ts';
import {
  nodeCapabilities,
  nodePublishVolume,
  nodeStageVolume,
  nodeUnpublishVolume,
  nodeUnstageVolume,
} from './messages.ts';
import { allRecords, directoriesOf, readRecord, removeRecord, type VolumeRecord, writeRecord } from './records.ts';

export interface DriverVolumesParts {
  readonly rootDir: () => Promise<string>;
  readonly nodeName: string;
  readonly client: ApiClient;
  readonly objects: Pick<PodObjects, 'secret' | 'serviceAccountToken'>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface DriverVolumes {
  /** Resolves with the volume's directory. Repeatable. Throws `VolumeError`, `SetUpError`, `RpcError` or `ApiError`. */
  ensure(pod: Pod, volume: DriverVolume, layout: PodLayout, signal: AbortSignal): Promise<string>;
  /** Publishes again those volumes of a pod whose driver wants it now and then. */
  refresh(pod: Pod, layout: PodLayout, signal: AbortSignal): Promise<void>;
  /** Gives back all volumes of a pod, and unstages what no other uses. Repeatable; throws while a driver cannot. */
  release(podUid: string, layout: PodLayout, signal: AbortSignal): Promise<void>;
  /** Keeps the drivers known until `signal` ends. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export function createDriverVolumes(parts: DriverVolumesParts): DriverVolumes {
  const { rootDir, nodeName, client, objects, clock, log } = parts;
  /** Never two calls for one volume at once, whatever pods it is for. */
  const turns = createTurns();
  const ensured = new Map<string, Map<string, DriverVolume>>();
  const records = async (): Promise<readonly VolumeRecord[]> => allRecords(await rootDir());
  const attachments = createAttachments(client, nodeName, clock, async () => (await records()).map(nameOf));
  let drivers: ReturnType<typeof createDrivers> | undefined;
  const find = (name: string): Driver => {
    if (!drivers) throw new SetUpError(`driver name ${name} not found in the list of registered CSI drivers`);
    return drivers.find(name);
  };

  async function objectOf(name: string, signal: AbortSignal): Promise<CSIDriver | undefined> {
    try {
      return await client.get(csiDrivers, { name }, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async function secretsOf(of: SecretName | undefined, signal: AbortSignal): Promise<Record<string, string>> {
    if (!of) return {};
    const secret = await objects.secret(of.namespace, of.name, signal);
    if (!secret) throw new SetUpError(`failed to find the secret ${of.name} in the namespace ${of.namespace}`);
    const decoded = Object.entries(secret.data ?? {});
    return Object.fromEntries(decoded.map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
  }

  async function tokensFor(pod: Pod, object: CSIDriver | undefined, signal: AbortSignal) {
    const wanted = object?.spec?.tokenRequests ?? [];
    if (wanted.length === 0) return {};
    const tokens = await Promise.all(
      wanted.map(async ({ audience = '', expirationSeconds = 3600 }) => ({
        audience,
        token: await objects.serviceAccountToken(pod, audience, expirationSeconds, signal),
      })),
    );
    return { [tokensKey]: tokensText(tokens) };
  }

  const stageDirectory = async (driver: string, handle: string): Promise<string> =>
    join(await rootDir(), 'plugins/kubernetes.io/csi', driver, stageDirectoryName(handle));

  interface Asked {
    readonly pod: Pod;
    readonly volume: DriverVolume;
    readonly driver: Driver;
    readonly object: CSIDriver | undefined;
    readonly publishContext: Readonly<Record<string, string>>;
  }

  const isStaged = ({ lifecycle }: DriverVolume, { capabilities }: Driver): boolean =>
    lifecycle === 'Persistent' && capabilities.has(nodeCapabilities.stageUnstage);
  const hasMountGroup = ({ capabilities }: Driver): boolean => capabilities.has(nodeCapabilities.volumeMountGroup);

  function capabilityOf({ pod, volume, driver }: Asked) {
    const gid = pod.spec.securityContext?.fsGroup;
    const group = gid !== undefined && hasMountGroup(driver) ? { volumeMountGroup: `${gid}` } : {};
    const mode = accessModeNumber(volume.accessModes, driver.capabilities.has(nodeCapabilities.singleNodeMultiWriter));
    return { mount: { fsType: volume.fsType, mountFlags: volume.mountOptions, ...group }, accessMode: { mode } };
  }

  /** Resolves with the directory that publishing starts from; undefined where the driver does without. */
  async function stage(asked: Asked, signal: AbortSignal): Promise<string | undefined> {
    const { volume, driver, publishContext } = asked;
    if (!isStaged(volume, driver)) return undefined;
    const directory = await stageDirectory(volume.driver, volume.handle);
    const stagingTargetPath = join(directory, 'globalmount');
    await writeRecord(directory, { driverName: volume.driver, volumeHandle: volume.handle });
    await mkdir(stagingTargetPath, { recursive: true, mode: 0o750 });
    const request = {
      volumeId: volume.handle,
      publishContext,
      stagingTargetPath,
      volumeCapability: capabilityOf(asked),
      secrets: await secretsOf(volume.stageSecret, signal),
      volumeContext: volume.attributes,
    };
    await call(driver.socket, nodeStageVolume, request, signal);
    return stagingTargetPath;
  }

  async function publish(asked: Asked, staged: string | undefined, targetPath: string, signal: AbortSignal) {
    const { pod, volume, driver, object, publishContext } = asked;
    const about = object?.spec?.podInfoOnMount ? podInfo(pod, volume) : {};
    const tokens = await tokensFor(pod, object, signal);
    const inSecrets = object?.spec && 'serviceAccountTokenInSecrets' in object.spec;
    const request = {
      volumeId: volume.handle,
      publishContext,
      ...(staged === undefined ? {} : { stagingTargetPath: staged }),
      targetPath,
      volumeCapability: capabilityOf(asked),
      readonly: volume.readOnly,
      secrets: { ...(await secretsOf(volume.publishSecret, signal)), ...(inSecrets ? tokens : {}) },
      volumeContext: { ...volume.attributes, ...about, ...(inSecrets ? {} : tokens) },
    };
    await call(driver.socket, nodePublishVolume, request, signal);
  }

  async function applyGroup({ pod, volume, object, driver }: Asked, path: string): Promise<void> {
    const { fsGroup: gid, fsGroupChangePolicy } = pod.spec.securityContext ?? {};
    if (gid === undefined || hasMountGroup(driver) || !takesGroup(volume, object)) return;
    if (fsGroupChangePolicy === 'OnRootMismatch' && (await isGivenToGroup(path, gid))) return;
    await giveToGroup(path, { gid, access: 'readWrite' });
  }

  async function mountNew(asked: Asked, directory: string, signal: AbortSignal): Promise<void> {
    const { volume } = asked;
    const target = join(directory, 'mount');
    // Before the driver is asked for anything: whoever comes after us must know what to give back.
    await writeRecord(directory, volumeData(volume, nodeName));
    const staged = await stage(asked, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      const words = error instanceof Error ? error.message : String(error);
      throw new VolumeError(
        volume.name,
        `MountVolume.MountDevice failed for volume "${volume.name}" : ${words}`,
        error,
      );
    });
    await publish(asked, staged, target, signal);
    await applyGroup(asked, target);
  }

  async function unstageUnused({ driverName, volumeHandle }: VolumeRecord, signal: AbortSignal): Promise<void> {
    const directory = await stageDirectory(driverName, volumeHandle);
    if (!(await readRecord(directory))) return;
    const name = nameOf({ driverName, volumeHandle });
    if ((await records()).some((record) => nameOf(record) === name)) return;
    const stagingTargetPath = join(directory, 'globalmount');
    await call(find(driverName).socket, nodeUnstageVolume, { volumeId: volumeHandle, stagingTargetPath }, signal);
    await removeEmpty(stagingTargetPath);
    await removeRecord(directory);
    await removeEmpty(directory);
  }

  async function unpublish(directory: string, record: VolumeRecord, signal: AbortSignal): Promise<void> {
    const targetPath = join(directory, 'mount');
    const request = { volumeId: record.volumeHandle, targetPath };
    await call(find(record.driverName).socket, nodeUnpublishVolume, request, signal);
    await removeEmpty(targetPath);
    await removeRecord(directory);
    await unstageUnused(record, signal);
  }

  /** Volumes that an agent before us staged, and whose last pod has gone since. */
  async function sweep(signal: AbortSignal): Promise<void> {
    const base = join(await rootDir(), 'plugins/kubernetes.io/csi');
    for (const driver of await namesIn(base)) {
      for (const volume of await namesIn(join(base, driver))) {
        const record = await readRecord(join(base, driver, volume));
        if (record) await turns.take(nameOf(record), () => unstageUnused(record, signal));
      }
    }
  }

  return {
    ensure: async (pod, volume, layout, signal) => {
      const directory = layout.volume('csi', volume.name);
      const own = ensured.get(pod.metadata.uid) ?? new Map<string, DriverVolume>();
      const target = join(directory, 'mount');
      // What an agent before us has mounted is asked for again: it may not have come to the end of it.
      if (own.has(volume.name) && (await isMountPoint(target))) return target;
      const object = await objectOf(volume.driver, signal);
      checkLifecycle(volume, object);
      const publishContext = needsAttachment(volume, object) ? await attachments.wait(volume, signal) : {};
      await turns.take(uniqueName(volume), () => {
        const asked = { pod, volume, driver: find(volume.driver), object, publishContext };
        return mountNew(asked, directory, signal);
      });
      ensured.set(pod.metadata.uid, own.set(volume.name, volume));
      return target;
    },
    refresh: async (pod, layout, signal) => {
      for (const volume of ensured.get(pod.metadata.uid)?.values() ?? []) {
        const object = await objectOf(volume.driver, signal);
        if (!object?.spec?.requiresRepublish) continue;
        const publishContext = needsAttachment(volume, object) ? await attachments.wait(volume, signal) : {};
        const asked = { pod, volume, driver: find(volume.driver), object, publishContext };
        const staged = isStaged(volume, asked.driver)
          ? join(await stageDirectory(volume.driver, volume.handle), 'globalmount')
          : undefined;
        const target = join(layout.volume('csi', volume.name), 'mount');
        await turns.take(uniqueName(volume), () => publish(asked, staged, target, signal));
      }
    },
    release: async (podUid, layout, signal) => {
      ensured.delete(podUid);
      const directories = await directoriesOf(layout);
      for (const directory of directories) {
        const record = await readRecord(directory);
        if (record) await turns.take(nameOf(record), () => unpublish(directory, record, signal));
        await removeEmpty(directory);
      }
      if (directories.length > 0) await attachments.publish((await records()).map(nameOf), signal);
    },
    run: async (signal) => {
      const directory = join(await rootDir(), 'plugins_registry');
      drivers = createDrivers({ directory, nodeName, client, clock, log });
      const onChange = (): void => {
        const all = Promise.all([
          sweep(signal),
          records().then((found) => attachments.publish(found.map(nameOf), signal)),
        ]);
        all.catch((err: unknown) => log.warn({ err }, 'Volumes left behind not given back'));
      };
      await drivers.run(onChange, signal);
    },
  };
}

const nameOf = ({ driverName, volumeHandle }: VolumeRecord): string =>
  uniqueName({ driver: driverName, handle: volumeHandle });
