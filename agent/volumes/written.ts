// configMap, secret, downwardAPI and projected volumes: gathers what stands in them, and writes it.

import type { Pod, Volume } from '../../kube/types.ts';
import type { PodObjects } from '../model.ts';
import { isWrittenOnce, writePayload } from './atomic-writer.ts';
import { ensureMedium } from './empty-dir.ts';
import type { Plugin, PodLayout } from './layout.ts';
import { giveToGroup } from './ownership.ts';
import { type Allocatable, downwardPayload } from './rules/downward.ts';
import { tmpfsSizeBytes } from './rules/empty-dir.ts';
import { tokenFile } from './rules/fs-group.ts';
import {
  checkedPayload,
  configMapPayload,
  defaultFileMode,
  mergePayloads,
  type Payload,
  secretPayload,
} from './rules/payload.ts';
import { SetUpError } from './rules/set-up-error.ts';

export interface WrittenSources {
  readonly objects: PodObjects;
  allocatable(): Allocatable;
  now(): number;
}

const defaultTokenSeconds = 3600;

type ProjectedSource = NonNullable<NonNullable<Volume['projected']>['sources']>[number];

/** The directory of a written volume; undefined for other kinds. */
export function writtenDirectory(layout: PodLayout, volume: Volume): string | undefined {
  const plugin: Plugin | undefined = volume.configMap
    ? 'configmap'
    : volume.secret
      ? 'secret'
      : volume.downwardAPI
        ? 'downward-api'
        : volume.projected
          ? 'projected'
          : undefined;
  return plugin && layout.volume(plugin, volume.name);
}

/** Makes the volume's directory and brings its files up to date. Repeatable. */
export async function ensureWritten(
  pod: Pod,
  volume: Volume,
  directory: string,
  sources: WrittenSources,
  signal: AbortSignal,
): Promise<void> {
  // First the content: a volume whose objects are missing leaves nothing behind.
  const payload = await payloadOf(pod, volume, sources, signal);
  const sizeBytes = tmpfsSizeBytes(pod, undefined, sources.allocatable());
  // Whatever may hold a secret lies in memory alone; a ConfigMap is no secret.
  await ensureMedium(directory, volume.configMap ? { kind: 'disk' } : { kind: 'memory', sizeBytes }, signal);
  const gid = pod.spec.securityContext?.fsGroup;
  if (gid !== undefined && !(await isWrittenOnce(directory))) await giveToGroup(directory, { gid, access: 'readOnly' });
  await writePayload(directory, payload, sources.now(), async (path) => {
    if (gid !== undefined) await giveToGroup(path, { gid, access: 'readOnly' });
  });
}

async function payloadOf(pod: Pod, volume: Volume, sources: WrittenSources, signal: AbortSignal): Promise<Payload> {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap) return fromConfigMap(pod, configMap, configMap.defaultMode ?? defaultFileMode, sources, signal);
  if (secret) {
    const { secretName: name = '', ...keys } = secret;
    return fromSecret(pod, { name, ...keys }, secret.defaultMode ?? defaultFileMode, sources, signal);
  }
  if (downwardAPI) {
    const mode = downwardAPI.defaultMode ?? defaultFileMode;
    return downwardPayload(pod, downwardAPI.items ?? [], mode, sources.allocatable());
  }
  const mode = projected?.defaultMode ?? defaultFileMode;
  const payloads: Payload[] = [];
  for (const source of projected?.sources ?? []) payloads.push(await fromSource(pod, source, mode, sources, signal));
  return mergePayloads(payloads);
}

interface KeysOfObject {
  readonly name?: string;
  readonly items?: readonly { key: string; path: string; mode?: number }[];
  readonly optional?: boolean;
}

async function fromConfigMap(
  { metadata }: Pod,
  { name = '', items, optional }: KeysOfObject,
  mode: number,
  { objects }: WrittenSources,
  signal: AbortSignal,
): Promise<Payload> {
  return configMapPayload(await objects.configMap(metadata.namespace, name, signal), name, { items, optional, mode });
}

async function fromSecret(
  { metadata }: Pod,
  { name = '', items, optional }: KeysOfObject,
  mode: number,
  { objects }: WrittenSources,
  signal: AbortSignal,
): Promise<Payload> {
  return secretPayload(await objects.secret(metadata.namespace, name, signal), name, { items, optional, mode });
}

async function fromSource(
  pod: Pod,
  source: ProjectedSource,
  mode: number,
  sources: WrittenSources,
  signal: AbortSignal,
): Promise<Payload> {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  if (configMap) return fromConfigMap(pod, configMap, mode, sources, signal);
  if (secret) return fromSecret(pod, secret, mode, sources, signal);
  if (downwardAPI) return downwardPayload(pod, downwardAPI.items ?? [], mode, sources.allocatable());
  if (serviceAccountToken) {
    const { path, audience = '', expirationSeconds = defaultTokenSeconds } = serviceAccountToken;
    const token = await sources.objects.serviceAccountToken(pod, audience, expirationSeconds, signal);
    return checkedPayload([[path, { data: Buffer.from(token, 'utf8'), ...tokenFile(pod, mode) }]]);
  }
  throw new SetUpError(`projected source ${Object.keys(source).join(', ') || '{}'} is not supported by this node`);
}
