// Volumes of storage drivers (CSI): names, what a driver is told of a pod, and when it is asked for what.
import { createHash } from 'node:crypto';
import type { CSIDriver, PersistentVolume, Pod, Volume } from '../../../kube/types.ts';
import { SetUpError } from './set-up-error.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Everything about one volume for one pod that does not depend on the driver's answers. */
export interface DriverVolume {
  readonly driver: string;
  readonly handle: string;
  /** The directory below the pod: the PersistentVolume's name, or the pod's own for an inline volume. */
  readonly name: string;
  readonly lifecycle: 'Persistent' | 'Ephemeral';
  readonly fsType: string;
  readonly readOnly: boolean;
  readonly attributes: Readonly<Record<string, string>>;
  readonly mountOptions: readonly string[];
  readonly accessModes: readonly string[];
  readonly stageSecret?: SecretName;
  readonly publishSecret?: SecretName;
}

export interface SecretName {
  readonly namespace: string;
  readonly name: string;
}

/** An inline volume: it lives as long as its pod. */
export function inlineVolume({ metadata }: Pod, { name, csi }: Volume): DriverVolume {
  const secret = csi?.nodePublishSecretRef?.name;
  return {
    driver: csi?.driver ?? '',
    handle: `csi-${sha256(`${metadata.uid}${name}`)}`,
    name,
    lifecycle: 'Ephemeral',
    fsType: csi?.fsType ?? '',
    readOnly: csi?.readOnly ?? false,
    attributes: csi?.volumeAttributes ?? {},
    mountOptions: [],
    accessModes: ['ReadWriteOnce'],
    ...(secret ? { publishSecret: { namespace: metadata.namespace, name: secret } } : {}),
  };
}

/** The volume behind a claim; `readOnly` is the claim's use of it. */
export function claimedDriverVolume({ metadata, spec }: PersistentVolume, readOnly: boolean): DriverVolume {
  const csi = spec?.csi;
  const secret = (reference: { name?: string; namespace?: string } | undefined): SecretName | undefined =>
    reference?.name ? { name: reference.name, namespace: reference.namespace ?? '' } : undefined;
  const [stageSecret, publishSecret] = [secret(csi?.nodeStageSecretRef), secret(csi?.nodePublishSecretRef)];
  return {
    driver: csi?.driver ?? '',
    handle: csi?.volumeHandle ?? '',
    name: metadata.name,
    lifecycle: 'Persistent',
    fsType: csi?.fsType ?? '',
    readOnly: readOnly || csi?.readOnly === true,
    attributes: csi?.volumeAttributes ?? {},
    mountOptions: spec?.mountOptions ?? [],
    accessModes: spec?.accessModes ?? [],
    ...(stageSecret ? { stageSecret } : {}),
    ...(publishSecret ? { publishSecret } : {}),
  };
}

/** How the attach controller and the node name a volume in the Node's status. */
export const uniqueName = ({ driver, handle }: Pick<DriverVolume, 'driver' | 'handle'>): string =>
  `kubernetes.io/csi/${driver}^${handle}`;

export const attachmentName = ({ driver, handle }: DriverVolume, nodeName: string): string =>
  `csi-${sha256(`${handle}${driver}${nodeName}`)}`;

export const stageDirectoryName = (handle: string): string => sha256(handle);

/** A driver without an object is attached, and knows only volumes that outlive pods. Throws where it refuses this kind. */
export function checkLifecycle({ driver, lifecycle }: DriverVolume, object: CSIDriver | undefined): void {
  const modes = object?.spec?.volumeLifecycleModes ?? ['Persistent'];
  if (modes.includes(lifecycle)) return;
  const known = modes.map((mode) => JSON.stringify(mode)).join(' ');
  throw new SetUpError(`volume mode "${lifecycle}" not supported by driver ${driver} (only supports [${known}])`);
}

export function needsAttachment({ lifecycle }: DriverVolume, object: CSIDriver | undefined): boolean {
  return lifecycle === 'Persistent' && object?.spec?.attachRequired !== false;
}

/** The specification's numbers. Newer drivers tell apart one pod and several pods on one node. */
export function accessModeNumber(accessModes: readonly string[], knowsSeveralWriters: boolean): number {
  switch (accessModes[0]) {
    case 'ReadOnlyMany':
      return 3;
    case 'ReadWriteMany':
      return 5;
    case 'ReadWriteOncePod':
      return knowsSeveralWriters ? 6 : 1;
    default:
      return knowsSeveralWriters ? 7 : 1;
  }
}

/** Whether the node gives the volume's files to the pod's fsGroup. */
export function takesGroup(volume: DriverVolume, object: CSIDriver | undefined): boolean {
  if (volume.readOnly) return false;
  switch (object?.spec?.fsGroupPolicy) {
    case 'None':
      return false;
    case 'File':
      return true;
    default:
      return volume.fsType !== '' && volume.accessModes.includes('ReadWriteOnce');
  }
}

/** What a driver with podInfoOnMount is told. */
export function podInfo({ metadata, spec }: Pod, { lifecycle }: DriverVolume): Record<string, string> {
  return {
    'csi.storage.k8s.io/pod.name': metadata.name,
    'csi.storage.k8s.io/pod.namespace': metadata.namespace,
    'csi.storage.k8s.io/pod.uid': metadata.uid,
    'csi.storage.k8s.io/serviceAccount.name': spec.serviceAccountName ?? '',
    'csi.storage.k8s.io/ephemeral': String(lifecycle === 'Ephemeral'),
  };
}

export const tokensKey = 'csi.storage.k8s.io/serviceAccount.tokens';

/** Tokens as drivers read them; the end of a token's life stands in itself. */
export function tokensText(tokens: readonly { readonly audience: string; readonly token: string }[]): string {
  const entries = tokens.map(({ audience, token }) => [audience, { token, expirationTimestamp: expiryOf(token) }]);
  return JSON.stringify(Object.fromEntries(entries));
}

function expiryOf(token: string): string {
  try {
    const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as { exp: number };
    return new Date(exp * 1000).toISOString().replace('.000Z', 'Z');
  } catch {
    throw new SetUpError('the service account token has no expiry');
  }
}

/** What lies beside a mounted volume, so that the next agent knows what to give back. Upstream's keys. */
export interface VolumeData {
  readonly specVolID: string;
  readonly volumeHandle: string;
  readonly driverName: string;
  readonly nodeName: string;
  readonly attachmentID: string;
  readonly volumeLifecycleMode: string;
  readonly seLinuxMountContext: string;
}

export function volumeData(volume: DriverVolume, nodeName: string): VolumeData {
  return {
    specVolID: volume.name,
    volumeHandle: volume.handle,
    driverName: volume.driver,
    nodeName,
    attachmentID: attachmentName(volume, nodeName),
    volumeLifecycleMode: volume.lifecycle,
    seLinuxMountContext: '',
  };
}
