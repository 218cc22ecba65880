// A manifest becomes a static pod: checked, filled in, named after its node, or refused in one line.
import { createHash } from 'node:crypto';
import type { Pod } from '../../../kube/types.ts';
import { withDefaults } from './static-defaults.ts';
import { apiReferenceOf } from './static-references.ts';

/** A manifest that cannot be a static pod; the message says where and why. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
}

export interface Origin {
  readonly source: 'file' | 'http';
  /** The file's path, or the URL. */
  readonly place: string;
  readonly nodeName: string;
  /** RFC 3339 */
  readonly seenAt: string;
}

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const dnsName = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const uidShape = /^[A-Za-z0-9][-A-Za-z0-9_.]{0,127}$/;

type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The pods of one manifest: a Pod, or a PodList. Throws `ManifestError`. */
export function podsOf(manifest: unknown, origin: Origin): readonly Pod[] {
  if (!isObject(manifest)) throw new ManifestError('want a Pod');
  const { kind, apiVersion } = manifest;
  if (apiVersion !== 'v1') throw new ManifestError(`apiVersion ${JSON.stringify(apiVersion)} is not valid: want "v1"`);
  if (kind === 'Pod') return [staticPod(manifest, origin)];
  if ((kind !== 'PodList' && kind !== 'List') || origin.source === 'file') {
    throw new ManifestError(`kind ${JSON.stringify(kind)} is not valid: want "Pod"`);
  }
  const items = manifest['items'];
  if (!Array.isArray(items)) throw new ManifestError('items is not valid: want a list of pods');
  return items.map((item: unknown) => staticPod(item, origin));
}

function staticPod(manifest: unknown, origin: Origin): Pod {
  const { source, place, nodeName, seenAt } = origin;
  const checked = check(manifest);
  const metadata = checked.metadata;
  const uid = metadata.uid || hashOf(checked, `host:${nodeName}`, `${source === 'file' ? 'file' : 'url'}:${place}`);
  const annotations = {
    ...metadata.annotations,
    'kubernetes.io/config.hash': uid,
    'kubernetes.io/config.seen': seenAt,
    'kubernetes.io/config.source': source,
  };
  const everywhere = { operator: 'Exists', effect: 'NoExecute' } as const;
  const tolerations = [...(checked.spec.tolerations ?? []), ...(source === 'file' ? [everywhere] : [])];
  const name = `${metadata.name}-${nodeName}`;
  if (!dnsName.test(name)) throw invalid('metadata.name', metadata.name, 'with the node name it is too long');
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, name, namespace: metadata.namespace || 'default', uid, annotations },
    spec: withDefaults({ ...checked.spec, nodeName, ...(tolerations.length > 0 ? { tolerations } : {}) }),
    status: { phase: 'Pending' },
  };
}

const invalid = (field: string, value: unknown, because: string): ManifestError =>
  new ManifestError(`${field}: ${JSON.stringify(value)} is not valid: ${because}`);

/** What an API server would check and the agent relies on: names that become paths, and the fields that must be there. */
function check(manifest: unknown): Pod {
  if (!isObject(manifest) || !isObject(manifest['metadata']) || !isObject(manifest['spec'])) {
    throw new ManifestError('want a Pod with metadata and spec');
  }
  const pod = manifest as unknown as Pod;
  const { name, namespace, uid } = pod.metadata;
  if (typeof name !== 'string' || !dnsName.test(name)) throw invalid('metadata.name', name, 'want a DNS name');
  if (namespace && !dnsLabel.test(namespace)) throw invalid('metadata.namespace', namespace, 'want a DNS label');
  if (uid && !uidShape.test(uid)) throw invalid('metadata.uid', uid, 'want letters, digits and dashes');
  const { restartPolicy, containers, initContainers = [], volumes = [] } = pod.spec;
  if (restartPolicy && !['Always', 'OnFailure', 'Never'].includes(restartPolicy)) {
    throw invalid('spec.restartPolicy', restartPolicy, 'want Always, OnFailure or Never');
  }
  if (!Array.isArray(containers) || containers.length === 0) throw invalid('spec.containers', containers, 'want some');
  checkNames('spec.volumes', volumes);
  checkNames('spec.containers', [...containers, ...initContainers]);
  const known = new Set(volumes.map((volume) => volume.name));
  for (const container of [...containers, ...initContainers]) {
    if (typeof container.image !== 'string' || container.image.trim() === '') {
      throw invalid(`spec.containers["${container.name}"].image`, container.image, 'want an image');
    }
    const lost = (container.volumeMounts ?? []).find((mount) => !known.has(mount.name));
    if (lost) throw invalid(`spec.containers["${container.name}"].volumeMounts`, lost.name, 'there is no such volume');
  }
  const reference = apiReferenceOf(pod);
  if (reference) throw new ManifestError(`static pods may not reference ${reference}`);
  return pod;
}

function checkNames(field: string, named: readonly { readonly name: string }[]): void {
  const seen = new Set<string>();
  for (const [at, one] of named.entries()) {
    if (!isObject(one) || typeof one.name !== 'string' || !dnsLabel.test(one.name)) {
      throw invalid(`${field}[${at}].name`, one?.name, 'want a DNS label');
    }
    if (seen.has(one.name)) throw invalid(`${field}[${at}].name`, one.name, 'it is there already');
    seen.add(one.name);
  }
}

/** 128 bits of content and place: another content is another pod. */
const hashOf = (...parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
