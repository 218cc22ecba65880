// Which ConfigMaps and Secrets a pod refers to, by volumes, environment and pull secrets.
import type { Pod } from '../../../kube/types.ts';

export type ReferencedKind = 'ConfigMap' | 'Secret';

export interface Reference {
  readonly kind: ReferencedKind;
  readonly namespace: string;
  readonly name: string;
}

/** "ConfigMap/namespace/name" */
export function referenceKey({ kind, namespace, name }: Reference): string {
  return `${kind}/${namespace}/${name}`;
}

/** Every object that the pod's volumes, containers and image pulls need; one that several need stands there several times. */
export function referencesOf({ metadata, spec }: Pod): readonly Reference[] {
  const { namespace } = metadata;
  const containers = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
  const volumes = spec.volumes ?? [];
  const projected = volumes.flatMap((volume) => volume.projected?.sources ?? []);
  const env = containers.flatMap((container) => container.env ?? []);
  const envFrom = containers.flatMap((container) => container.envFrom ?? []);
  const configMaps = [
    ...volumes.map(({ configMap }) => configMap?.name),
    ...projected.map(({ configMap }) => configMap?.name),
    ...env.map(({ valueFrom }) => valueFrom?.configMapKeyRef?.name),
    ...envFrom.map(({ configMapRef }) => configMapRef?.name),
  ];
  const secrets = [
    ...volumes.map(({ secret }) => secret?.secretName),
    ...projected.map(({ secret }) => secret?.name),
    ...volumes.map(({ csi }) => csi?.nodePublishSecretRef?.name),
    ...env.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name),
    ...envFrom.map(({ secretRef }) => secretRef?.name),
    ...(spec.imagePullSecrets ?? []).map(({ name }) => name),
  ];
  const named = (kind: ReferencedKind, names: readonly (string | undefined)[]): Reference[] =>
    names
      .filter((name) => name !== undefined && name !== '')
      .map((name) => ({ kind, namespace, name: name as string }));
  return [...named('ConfigMap', configMaps), ...named('Secret', secrets)];
}
