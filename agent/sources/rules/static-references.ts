// What of the API a static pod may not need: it must start where there is no API (KEP-4959).
import type { Pod, Volume } from '../../../kube/types.ts';
import { referencesOf } from './references.ts';

/** "secrets", "serviceaccounts" …: the first kind of object that the pod refers to; undefined where it refers to none. */
export function apiReferenceOf(pod: Pod): string | undefined {
  if (pod.spec.serviceAccountName) return 'serviceaccounts';
  const inVolumes = (pod.spec.volumes ?? []).map(ofVolume).find((found) => found !== undefined);
  if (inVolumes) return inVolumes;
  const [reference] = referencesOf({ ...pod, metadata: { ...pod.metadata, namespace: 'default' } });
  if (reference) return reference.kind === 'Secret' ? 'secrets' : 'configmaps';
  return pod.spec.resourceClaims?.length ? 'resourceclaims' : undefined;
}

function ofVolume(volume: Volume): string | undefined {
  if (volume.secret) return 'secrets (via secret volumes)';
  if (volume.configMap) return 'configmaps (via configMap volumes)';
  if (volume.persistentVolumeClaim) return 'persistentvolumeclaims';
  if (volume.ephemeral) return 'persistentvolumeclaims (via ephemeral volumes)';
  if (volume.csi) return 'csidrivers (via CSI volumes)';
  for (const source of volume.projected?.sources ?? []) {
    if (source.secret) return 'secrets (via projected volumes)';
    if (source.configMap) return 'configmaps (via projected volumes)';
    if (source.serviceAccountToken) return 'serviceaccounts (via projected volumes)';
    if (source.clusterTrustBundle) return 'clustertrustbundles (via projected volumes)';
  }
  return undefined;
}
