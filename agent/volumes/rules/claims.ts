// PersistentVolumeClaims: whether a pod may have the volume behind its claim, on this node, now.
import { matchesLabels, type Operator, type Requirement } from '../../../kube/selectors.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../../kube/types.ts';
import { SetUpError } from './set-up-error.ts';

export interface NodeIdentity {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The claim that a volume stands for; an ephemeral volume's is named after pod and volume. */
export function claimNameOf({ metadata }: Pod, { name, persistentVolumeClaim, ephemeral }: Volume): string | undefined {
  return persistentVolumeClaim?.claimName ?? (ephemeral ? `${metadata.name}-${name}` : undefined);
}

/** The name of the volume that the claim is bound to. Throws `SetUpError` where the pod may not use it yet, or at all. */
export function boundVolumeName(pod: Pod, volume: Volume, claim: PersistentVolumeClaim | undefined): string {
  const claimName = claimNameOf(pod, volume) ?? '';
  const { namespace } = pod.metadata;
  const refuse = (detail: string) => new SetUpError(`error processing PVC ${namespace}/${claimName}: ${detail}`);
  if (!claim) {
    throw refuse(`failed to fetch PVC from API server: persistentvolumeclaim "${claimName}" not found`);
  }
  const { metadata, spec, status } = claim;
  if (
    volume.ephemeral &&
    !metadata.ownerReferences?.some(({ uid, controller }) => controller && uid === pod.metadata.uid)
  ) {
    throw new SetUpError(
      `PVC ${namespace}/${claimName} was not created for pod ${namespace}/${pod.metadata.name} (pod is not owner)`,
    );
  }
  if (metadata.deletionTimestamp && !metadata.finalizers?.includes('kubernetes.io/pvc-protection')) {
    throw refuse('PVC is being deleted');
  }
  if (status?.phase !== 'Bound' || !spec?.volumeName) throw refuse('PVC is not bound');
  return spec.volumeName;
}

/** Throws `SetUpError` where the volume is not the claim's, not for this node, or not mounted the way it can be. */
export function checkClaimedVolume(
  pod: Pod,
  volume: Volume,
  claim: PersistentVolumeClaim,
  claimed: PersistentVolume,
  node: NodeIdentity,
): void {
  const { name } = claimed.metadata;
  const reference = claimed.spec?.claimRef;
  if (!reference?.uid) {
    throw new SetUpError(
      `found PV object "${name}" but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim`,
    );
  }
  if (reference.uid !== claim.metadata.uid) {
    throw new SetUpError(
      `found PV object "${name}" but its pv.Spec.ClaimRef.UID "${reference.uid}" does not point to claim.UID "${claim.metadata.uid}"`,
    );
  }
  checkMode(pod, volume, claimed);
  if (!fitsNode(claimed, node)) throw new SetUpError('no matching NodeSelectorTerms');
}

function checkMode({ spec }: Pod, { name }: Volume, claimed: PersistentVolume): void {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const isDevice = containers.some(({ volumeDevices }) => volumeDevices?.some((device) => device.name === name));
  const isBlock = claimed.spec?.volumeMode === 'Block';
  if (isBlock && !isDevice)
    throw new SetUpError(`volume ${name} has volumeMode Block, but is specified in volumeMounts`);
  if (!isBlock && isDevice) {
    throw new SetUpError(`volume ${name} has volumeMode Filesystem, but is specified in volumeDevices`);
  }
  if (isBlock && !claimed.spec?.local)
    throw new SetUpError('block volumes of this kind are not supported by this node');
}

interface Term {
  readonly matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
  readonly matchFields?: readonly { key: string; operator: string; values?: readonly string[] }[];
}

/** Terms are alternatives; a term without requirements selects no node. */
export function fitsNode({ spec }: PersistentVolume, { name, labels }: NodeIdentity): boolean {
  const terms: readonly Term[] | undefined = spec?.nodeAffinity?.required?.nodeSelectorTerms;
  if (!terms) return true;
  const requirements = (list: Term['matchFields'] = []): Requirement[] =>
    list.map(({ key, operator, values = [] }) => ({ key, operator: operator as Operator, values }));
  return terms.some(({ matchExpressions, matchFields }) => {
    if (!matchExpressions?.length && !matchFields?.length) return false;
    const fields = { 'metadata.name': name };
    return matchesLabels(requirements(matchExpressions), labels) && matchesLabels(requirements(matchFields), fields);
  });
}
