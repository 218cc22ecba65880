// Who owns what: a workload's objects carry its reference; strays that it selects are taken in, those it selects no more are let go.
import type { Resource } from '../../../kube/resources.ts';
import { type LabelSelector, matchesLabels } from '../../../kube/selectors.ts';
import type { KubeObject, OwnerReference } from '../../../kube/types.ts';
import type { Action } from '../../model.ts';

export type Owner = KubeObject & { metadata: { name: string; namespace: string; uid: string } };

export const controllerOf = ({ metadata }: KubeObject): OwnerReference | undefined =>
  metadata.ownerReferences?.find(({ controller }) => controller === true);

export const isOwnedBy = (object: KubeObject, uid: string): boolean => controllerOf(object)?.uid === uid;

export function ownerReference({ apiVersion, kind, metadata: { name, uid } }: Owner): OwnerReference {
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** Keys of the owner of this kind, for waking it: "namespace/name". */
export function ownerKeys(object: KubeObject, kind: string): readonly string[] {
  const owner = controllerOf(object);
  return owner?.kind === kind ? [`${object.metadata.namespace}/${owner.name}`] : [];
}

export interface Claim<T> {
  readonly owned: readonly T[];
  readonly actions: readonly Action[];
}

/** Strays that match: a leaving owner takes nobody in. */
export function strays<T extends KubeObject>(owner: Owner, selector: LabelSelector, all: readonly T[]): T[] {
  if (owner.metadata.deletionTimestamp) return [];
  return all.filter(
    (one) => !controllerOf(one) && !one.metadata.deletionTimestamp && matchesLabels(selector, one.metadata.labels),
  );
}

/**
 * What of `all` belongs to the owner. `mayAdopt`: the server itself has just said that the owner lives;
 * an object adopted by an owner that is gone would be collected.
 */
export function claim<T extends KubeObject>(
  of: Resource<T>,
  owner: Owner,
  selector: LabelSelector,
  all: readonly T[],
  mayAdopt: boolean,
): Claim<T> {
  const mine = all.filter((one) => isOwnedBy(one, owner.metadata.uid));
  const kept = mine.filter(({ metadata }) => matchesLabels(selector, metadata.labels));
  const dropped = owner.metadata.deletionTimestamp ? [] : mine.filter((one) => !kept.includes(one));
  const found = mayAdopt ? strays(owner, selector, all) : [];
  return {
    owned: [...kept, ...found],
    actions: [
      ...dropped.map((one) =>
        patchOwners(of, one, [{ $patch: 'delete', uid: owner.metadata.uid }], 'its owner selects it no more'),
      ),
      ...found.map((one) => patchOwners(of, one, [ownerReference(owner)], 'it has no owner and is selected')),
    ],
  };
}

function patchOwners(
  of: Resource<KubeObject>,
  { metadata: { name, namespace, uid } }: KubeObject,
  ownerReferences: readonly unknown[],
  because: string,
): Action {
  const body = { metadata: { uid, ownerReferences } };
  const at = { name, ...(namespace ? { namespace } : {}) };
  return { do: 'Patch', of, at, patch: { type: 'strategic', body }, because };
}
