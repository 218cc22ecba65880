// Empties a namespace that was deleted, pods first, and lets it go when nothing is left. Follows KEP-5080 (ordered deletion).
import { namespaces, type Resource } from '../../../kube/resources.ts';
import type { KubeObject, Namespace } from '../../../kube/types.ts';
import type { Action, Outcome } from '../../model.ts';
import { timeText } from './pod-conditions.ts';

/** What is left of one resource in a namespace. */
export interface Remainder {
  readonly of: Resource<KubeObject>;
  readonly count: number;
  /** How many of them each finalizer holds back. */
  readonly finalizers: Readonly<Record<string, number>>;
  /** Whether all that are left have been told to go already. */
  readonly leaving: boolean;
}

export interface NamespaceContent {
  readonly remainders: readonly Remainder[];
  /** Groups that could not be asked what they serve; nothing is let go while one hides its content. */
  readonly undiscovered: string | undefined;
}

type Condition = NonNullable<NonNullable<Namespace['status']>['conditions']>[number];
const kubernetes = 'kubernetes';
const lookAgainMs = 5_000;
const soonMs = 500;

export function planDeletion(namespace: Namespace, found: NamespaceContent, nowMs: number): Outcome {
  const { name } = namespace.metadata;
  const remainders = found.remainders.filter(({ count }) => count > 0);
  const conditions = changedConditions(namespace, remainders, found.undiscovered, nowMs);
  const say: Action[] = conditions.length === 0 ? [] : [statusPatch(name, conditions)];
  if (remainders.length === 0 && !found.undiscovered) {
    const mine = namespace.spec?.finalizers?.includes(kubernetes);
    return { actions: [...say, ...(mine ? [finalize(namespace)] : [])] };
  }
  // Whatever pods use stays until they have ended.
  const podsLeft = remainders.filter(({ of }) => of.group === '' && of.plural === 'pods');
  const turn = podsLeft.length > 0 ? podsLeft : remainders;
  const told = turn.filter(({ leaving }) => !leaving);
  const because = 'its namespace is being deleted';
  const deletions = told.map(({ of }): Action => ({ do: 'DeleteAll', of, namespace: name, because }));
  return { actions: [...deletions, ...say], againInMs: told.length > 0 || podsLeft.length > 0 ? soonMs : lookAgainMs };
}

/** The namespace's own finalizer is spec.finalizers; other people's stay. Its subresource takes the whole object. */
function finalize(namespace: Namespace): Action {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((one) => one !== kubernetes);
  const { resourceVersion: _, ...metadata } = namespace.metadata;
  const object = { ...namespace, metadata, spec: { ...namespace.spec, finalizers } };
  return { do: 'Update', of: namespaces, object, subresource: 'finalize', because: 'nothing is left in it' };
}

function statusPatch(name: string, conditions: readonly Condition[]): Action {
  const patch = { type: 'strategic', subresource: 'status', body: { status: { conditions } } } as const;
  return { do: 'Patch', of: namespaces, at: { name }, patch, because: 'what keeps it from going has changed' };
}

function changedConditions(
  namespace: Namespace,
  remainders: readonly Remainder[],
  undiscovered: string | undefined,
  nowMs: number,
): Condition[] {
  const remaining = remainders.map(({ of, count }) => `${resourceText(of)} has ${count} resource instances`);
  const finalizers = Object.entries(finalizerCounts(remainders)).sort();
  const wanted: Omit<Condition, 'lastTransitionTime'>[] = [
    undiscovered
      ? condition('NamespaceDeletionDiscoveryFailure', 'True', 'DiscoveryFailed', undiscovered)
      : condition(
          'NamespaceDeletionDiscoveryFailure',
          'False',
          'ResourcesDiscovered',
          'All resources successfully discovered',
        ),
    condition(
      'NamespaceDeletionGroupVersionParsingFailure',
      'False',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ),
    condition(
      'NamespaceDeletionContentFailure',
      'False',
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ),
    remaining.length > 0
      ? condition(
          'NamespaceContentRemaining',
          'True',
          'SomeResourcesRemain',
          `Some resources are remaining: ${remaining.sort().join(', ')}`,
        )
      : condition('NamespaceContentRemaining', 'False', 'ContentRemoved', 'All content successfully removed'),
    finalizers.length > 0
      ? condition(
          'NamespaceFinalizersRemaining',
          'True',
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${finalizers.map(([name, count]) => `${name} in ${count} resource instances`).join(', ')}`,
        )
      : condition(
          'NamespaceFinalizersRemaining',
          'False',
          'ContentHasNoFinalizers',
          'All content-preserving finalizers finished',
        ),
  ];
  return wanted.flatMap((one) => {
    const known = namespace.status?.conditions?.find(({ type }) => type === one.type);
    if (known?.status === one.status && known.message === one.message) return [];
    const lastTransitionTime =
      known?.status === one.status && known.lastTransitionTime ? known.lastTransitionTime : timeText(nowMs);
    return [{ ...one, lastTransitionTime }];
  });
}

const condition = (type: string, status: string, reason: string, message: string) => ({
  type,
  status,
  reason,
  message,
});

/** As upstream writes it: "pods." for the core group. */
const resourceText = ({ plural, group }: Resource<unknown>): string => `${plural}.${group}`;

function finalizerCounts(remainders: readonly Remainder[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { finalizers } of remainders) {
    for (const [name, count] of Object.entries(finalizers)) counts[name] = (counts[name] ?? 0) + count;
  }
  return counts;
}
