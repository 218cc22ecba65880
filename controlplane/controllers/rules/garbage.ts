// What becomes of an object whose owners go: it stays while one owner is there, follows when all are gone, and owners wait or let go as their finalizers say.
import type { Resource } from '../../../kube/resources.ts';
import type { KubeObject, OwnerReference } from '../../../kube/types.ts';
import { type Action, nothing, type Outcome } from '../../model.ts';

/** An object of the graph, its metadata alone. */
export interface Node {
  readonly of: Resource<KubeObject>;
  readonly object: KubeObject;
}

/** What is known of an owner that a reference names. */
export type OwnerState = 'there' | 'waiting' | 'gone' | 'unknown';

export interface Neighbourhood {
  readonly node: Node;
  readonly dependents: readonly Node[];
  readonly owner: (reference: OwnerReference) => OwnerState;
}

const orphan = 'orphan';
const foreground = 'foregroundDeletion';

const has = ({ metadata }: KubeObject, finalizer: string): boolean => metadata.finalizers?.includes(finalizer) ?? false;

/** Deleted, and waiting for what it owns to go first. */
export const isWaiting = (object: KubeObject): boolean =>
  object.metadata.deletionTimestamp !== undefined && has(object, foreground);

export function planGarbage({ node, dependents, owner }: Neighbourhood): Outcome {
  const { object } = node;
  if (object.metadata.deletionTimestamp) {
    if (has(object, orphan)) return { actions: letGo(node, dependents) };
    if (has(object, foreground)) return { actions: waitFor(node, dependents) };
    return nothing;
  }
  const references = object.metadata.ownerReferences ?? [];
  const states = references.map((reference) => ({ reference, state: owner(reference) }));
  const of = (state: OwnerState): OwnerReference[] =>
    states.filter((one) => one.state === state).map(({ reference }) => reference);
  // Nobody is collected on a guess.
  if (references.length === 0 || of('unknown').length > 0) return nothing;
  if (of('there').length > 0) {
    const kept = of('there');
    const because = 'some of its owners are gone';
    return kept.length === references.length ? nothing : { actions: [withOwners(node, kept, because)] };
  }
  if (of('waiting').length > 0 && dependents.length > 0) {
    return { actions: [...unblock(node, dependents), remove(node, 'Foreground', 'its owner waits for it')] };
  }
  return { actions: [remove(node, policyOf(object), 'all its owners are gone')] };
}

/** What it owns loses the reference, then it may go. */
function letGo(node: Node, dependents: readonly Node[]): Action[] {
  const { uid } = node.object.metadata;
  const freed = dependents.map((one) => {
    const kept = (one.object.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== uid);
    return withOwners(one, kept, 'its owner is deleted and leaves it behind');
  });
  return [...freed, withoutFinalizer(node, orphan, 'what it owned is free')];
}

function waitFor(node: Node, dependents: readonly Node[]): Action[] {
  const { uid } = node.object.metadata;
  const blocks = ({ object }: Node): boolean =>
    object.metadata.ownerReferences?.some((one) => one.uid === uid && one.blockOwnerDeletion === true) ?? false;
  return dependents.some(blocks) ? [] : [withoutFinalizer(node, foreground, 'all that it owned is gone')];
}

/** Owners and dependents that wait for each other would wait for ever. */
function unblock(node: Node, dependents: readonly Node[]): Action[] {
  if (!dependents.some(({ object }) => isWaiting(object))) return [];
  const references = node.object.metadata.ownerReferences ?? [];
  if (!references.some(({ blockOwnerDeletion }) => blockOwnerDeletion)) return [];
  const free = references.map((one) => ({ ...one, blockOwnerDeletion: false }));
  return [withOwners(node, free, 'it waits for a dependent that waits itself')];
}

function policyOf(object: KubeObject): 'Orphan' | 'Foreground' | 'Background' {
  if (has(object, orphan)) return 'Orphan';
  return has(object, foreground) ? 'Foreground' : 'Background';
}

const nameOf = ({ metadata: { name, namespace } }: KubeObject) => ({ name, ...(namespace ? { namespace } : {}) });

/** Whole lists under the version that was looked at: custom resources know no finer patch. */
function patch({ of, object }: Node, metadata: object, because: string): Action {
  const { uid, resourceVersion } = object.metadata;
  const body = { metadata: { uid, resourceVersion, ...metadata } };
  return { do: 'Patch', of, at: nameOf(object), patch: { type: 'merge', body }, because };
}

const withOwners = (node: Node, ownerReferences: readonly OwnerReference[], because: string): Action =>
  patch(node, { ownerReferences: ownerReferences.length > 0 ? ownerReferences : null }, because);

function withoutFinalizer(node: Node, finalizer: string, because: string): Action {
  const finalizers = node.object.metadata.finalizers?.filter((one) => one !== finalizer) ?? [];
  return patch(node, { finalizers }, because);
}

function remove(
  { of, object }: Node,
  propagationPolicy: 'Orphan' | 'Foreground' | 'Background',
  because: string,
): Action {
  const { uid, resourceVersion } = object.metadata;
  const preconditions = { ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) };
  return { do: 'Delete', of, at: nameOf(object), options: { propagationPolicy, preconditions }, because };
}
