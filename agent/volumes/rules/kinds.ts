// Which volumes a pod uses, of which kind each is, and which objects they are made from.
import type { Pod, Volume } from '../../../kube/types.ts';

/** The kinds of core/v1 Volume; the name of the one field besides `name`. */
export function kindOf(volume: Volume): string {
  return Object.entries(volume).find(([field, source]) => field !== 'name' && source)?.[0] ?? 'emptyDir';
}

/** Volumes that some container mounts, in the order of the spec: others are not waited for. */
export function usedVolumes({ spec }: Pod): readonly Volume[] {
  const containers = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
  const names = new Set(
    containers.flatMap(({ volumeMounts, volumeDevices }) =>
      [...(volumeMounts ?? []), ...(volumeDevices ?? [])].map(({ name }) => name),
    ),
  );
  return (spec.volumes ?? []).filter(({ name }) => names.has(name));
}

/** Those that are made ready before any container starts: an image is pulled and mounted with the container that wants it. */
export function readiedVolumes(pod: Pod): readonly Volume[] {
  return usedVolumes(pod).filter(({ image }) => !image);
}

const writtenKinds: ReadonlySet<string> = new Set(['configMap', 'secret', 'downwardAPI', 'projected']);

/** Volumes that we write files into, and go on writing while the pod runs. */
export function isWritten(volume: Volume): boolean {
  return writtenKinds.has(kindOf(volume));
}

/** Whether a volume has a file whose content comes from the object. */
export function refersTo(volume: Volume, kind: 'ConfigMap' | 'Secret', name: string): boolean {
  const sources = volume.projected?.sources ?? [];
  return kind === 'ConfigMap'
    ? volume.configMap?.name === name || sources.some(({ configMap }) => configMap?.name === name)
    : volume.secret?.secretName === name || sources.some(({ secret }) => secret?.name === name);
}
