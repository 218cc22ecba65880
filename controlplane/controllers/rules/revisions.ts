// Revisions of templates that pods are made from: which is current, which may be forgotten, and what their names are.
import { createHash } from 'node:crypto';
import { controllerRevisions } from '../../../kube/resources.ts';
import { type LabelSelector, matchesLabels } from '../../../kube/selectors.ts';
import type { ControllerRevision, DaemonSet, PodTemplate, StatefulSet } from '../../../kube/types.ts';
import type { Action } from '../../model.ts';
import { isOwnedBy, ownerReference } from './ownership.ts';
import { canonical, sameContent } from './same.ts';

export const revisionLabel = 'controller-revision-hash';

type Owner = DaemonSet | StatefulSet;

export interface Revisions {
  /** Name of the revision of the template as it is now; it may be made only in this turn. */
  readonly update: ControllerRevision;
  /** Oldest first, the update's among them once it exists. */
  readonly all: readonly ControllerRevision[];
  readonly actions: readonly Action[];
}

/** What a rollback puts back: the template, whole. */
const dataOf = ({ spec }: Owner): object => ({ spec: { template: { ...spec.template, $patch: 'replace' } } });

const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

function hashOf(data: object, collisions: number): string {
  const digest = createHash('sha256')
    .update(`${canonical(data)}${collisions || ''}`)
    .digest();
  return [...digest.subarray(0, 10)].map((byte) => alphabet[byte % alphabet.length]).join('');
}

export function revisionsOf(
  owner: Owner,
  selector: LabelSelector,
  inNamespace: readonly ControllerRevision[],
): Revisions {
  const all = inNamespace
    .filter((one) => isOwnedBy(one, owner.metadata.uid) && matchesLabels(selector, one.metadata.labels))
    .sort((a, b) => a.revision - b.revision);
  const data = dataOf(owner);
  const newest = all.at(-1)?.revision ?? 0;
  const equal = all.findLast((one) => sameContent(one.data, data));
  if (!equal) {
    const update = newRevision(owner, data, newest + 1);
    const because = 'no revision has the current template';
    return { update, all, actions: [{ do: 'Create', of: controllerRevisions, object: { ...update }, because }] };
  }
  if (equal.revision === newest) return { update: equal, all, actions: [] };
  const { name, namespace, uid } = equal.metadata;
  const body = { metadata: { uid }, revision: newest + 1 };
  const because = 'an earlier template is current again';
  const renew: Action = {
    do: 'Patch',
    of: controllerRevisions,
    at: { namespace, name },
    patch: { type: 'merge', body },
    because,
  };
  return { update: equal, all, actions: [renew] };
}

function newRevision(owner: Owner, data: object, revision: number): ControllerRevision {
  const { name, namespace, annotations } = owner.metadata;
  const hash = hashOf(data, owner.status?.collisionCount ?? 0);
  const { 'kubectl.kubernetes.io/last-applied-configuration': _, ...kept } = annotations ?? {};
  const metadata = {
    name: `${name}-${hash}`,
    namespace,
    labels: { ...owner.spec.template.metadata?.labels, [revisionLabel]: hash },
    ...(Object.keys(kept).length > 0 ? { annotations: kept } : {}),
    ownerReferences: [ownerReference(owner)],
  } as unknown as ControllerRevision['metadata'];
  return { apiVersion: 'apps/v1', kind: 'ControllerRevision', metadata, data: data as never, revision };
}

/** The hash that pods of this revision are labelled with. */
export const hashOfRevision = ({ metadata }: ControllerRevision): string => metadata.labels?.[revisionLabel] ?? '';

export function templateOf(revision: ControllerRevision): PodTemplate {
  const { $patch: _, ...template } = (revision.data as { spec: { template: PodTemplate & { $patch?: string } } }).spec
    .template;
  return template;
}

/** Revisions that nobody uses, beyond the number to remember. */
export function forgetRevisions({ update, all }: Revisions, inUse: ReadonlySet<string>, limit = 10): Action[] {
  const idle = all.filter((one) => one !== update && !inUse.has(hashOfRevision(one)) && !inUse.has(one.metadata.name));
  return idle.slice(0, Math.max(0, idle.length - limit)).map(({ metadata: { name, namespace, uid } }) => ({
    do: 'Delete',
    of: controllerRevisions,
    at: { namespace, name },
    options: { preconditions: { uid } },
    because: `${limit} old revisions are remembered`,
  }));
}
