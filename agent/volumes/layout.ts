// Where a pod's volumes lie below the root: the kubelet's own layout, so that a node can change from one to the other.
import { join } from 'node:path';

const uidShape = /^[A-Za-z0-9][-A-Za-z0-9_.]{0,127}$/;
/** A volume goes by the pod's name for it, or by that of the PersistentVolume behind its claim. */
const volumeShape = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;
const labelShape = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

/** Names become path elements. The API checks them, static manifests are checked here: nothing may climb out. */
function checked(what: string, name: string, shape: RegExp): string {
  if (!shape.test(name)) throw new Error(`${what} ${JSON.stringify(name)} cannot be the name of a directory`);
  return name;
}

export type Plugin =
  | 'empty-dir'
  | 'configmap'
  | 'secret'
  | 'projected'
  | 'downward-api'
  | 'host-path'
  | 'local-volume'
  | 'image'
  | 'csi'
  | 'nfs';

/** Volumes whose content is ours alone and goes with the pod. Of every other only the empty mount point is ours. */
export const ownedPlugins: ReadonlySet<string> = new Set<Plugin>([
  'empty-dir',
  'configmap',
  'secret',
  'projected',
  'downward-api',
  'image',
]);

const pluginPrefix = 'kubernetes.io~';

/** "kubernetes.io~empty-dir" → "empty-dir" */
export function pluginOf(directory: string): string {
  return directory.startsWith(pluginPrefix) ? directory.slice(pluginPrefix.length) : directory;
}

export interface PodLayout {
  readonly rootDir: string;
  readonly directory: string;
  readonly volumes: string;
  readonly subPaths: string;
  readonly plugins: string;
  readonly imageVolumes: string;
  readonly driverVolumes: string;
  readonly localVolumes: string;
  readonly devices: string;
  volume(plugin: Plugin, name: string): string;
  /** The link to a volume that is a block device. */
  device(plugin: Plugin, name: string): string;
  /** Where a local volume that is a device is mounted, for all pods. */
  localMount(name: string): string;
  /** Says that an emptyDir has been set up once: its content is the pod's from then on. */
  readyMarker(name: string): string;
  subPath(volume: string, container: string, index: number): string;
}

export function podsDirectory(rootDir: string): string {
  return join(rootDir, 'pods');
}

/** Throws where `uid`, or a name given later, is no safe path element. */
export function podLayout(rootDir: string, uid: string): PodLayout {
  const directory = join(podsDirectory(rootDir), checked('Pod UID', uid, uidShape));
  const volumes = join(directory, 'volumes');
  const subPaths = join(directory, 'volume-subpaths');
  const plugins = join(directory, 'plugins');
  const devices = join(directory, 'volumeDevices');
  const volumeName = (name: string): string => checked('Volume', name, volumeShape);
  return {
    rootDir,
    directory,
    volumes,
    subPaths,
    plugins,
    localMount: (name) => join(rootDir, 'plugins/kubernetes.io/local-volume/mounts', volumeName(name)),
    localVolumes: join(volumes, `${pluginPrefix}local-volume`),
    devices,
    device: (plugin, name) => join(devices, `${pluginPrefix}${plugin}`, volumeName(name)),
    driverVolumes: join(volumes, `${pluginPrefix}csi`),
    imageVolumes: join(volumes, `${pluginPrefix}image`),
    volume: (plugin, name) => join(volumes, `${pluginPrefix}${plugin}`, volumeName(name)),
    readyMarker: (name) => join(plugins, `${pluginPrefix}empty-dir`, volumeName(name), 'ready'),
    subPath: (volume, container, index) =>
      join(subPaths, volumeName(volume), checked('Container', container, labelShape), String(index)),
  };
}
