// What a pod's volumes ask of nodes: its claims must be bound, and their volumes may be tied to nodes.
import { persistentVolumeClaims, persistentVolumes } from '../../kube/resources.ts';
import type { Pod } from '../../kube/types.ts';
import type { View } from '../model.ts';
import type { Claims, NodeSelector } from './model.ts';

export function claimsOf(pod: Pod, view: View): Claims {
  const affinities: NodeSelector[] = [];
  for (const { name, persistentVolumeClaim, ephemeral } of pod.spec.volumes ?? []) {
    const claimName = persistentVolumeClaim?.claimName ?? (ephemeral ? `${pod.metadata.name}-${name}` : undefined);
    if (claimName === undefined) continue;
    const claim = view.get(persistentVolumeClaims, `${pod.metadata.namespace}/${claimName}`);
    if (!claim) return blocked(`persistentvolumeclaim "${claimName}" not found`);
    if (claim.metadata.deletionTimestamp) return blocked(`persistentvolumeclaim "${claimName}" is being deleted`);
    const volume = claim.spec?.volumeName && view.get(persistentVolumes, claim.spec.volumeName);
    if (!volume || claim.status?.phase !== 'Bound') return blocked('pod has unbound immediate PersistentVolumeClaims');
    const required = volume.spec?.nodeAffinity?.required;
    if (required) affinities.push(required);
  }
  return { blocked: undefined, affinities };
}

const blocked = (words: string): Claims => ({ blocked: words, affinities: [] });
