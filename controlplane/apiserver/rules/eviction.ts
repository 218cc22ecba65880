// Whether a pod may be evicted now, by the disruption budgets that select it. Pure.
import { matchesLabels, selectorOf } from '../../../kube/selectors.ts';
import { type ApiObject, at, type Cause, object as objectOf, text } from '../model.ts';

export type EvictionVerdict =
  | { readonly do: 'Allow' }
  /** Allowed, and the budget has one disruption less. */
  | { readonly do: 'Spend'; readonly budget: string }
  | { readonly do: 'Refuse'; readonly message: string; readonly causes: readonly Partial<Cause>[] };

function selects(budget: ApiObject, pod: ApiObject): boolean {
  const selector = at(budget, 'spec.selector');
  return selector !== undefined && matchesLabels(selectorOf(objectOf(selector)), pod.metadata.labels);
}

export function evictionVerdict(pod: ApiObject, budgets: readonly ApiObject[]): EvictionVerdict {
  const phase = at(pod, 'status.phase');
  // Pods that do not run disrupt nobody.
  if (phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending' || pod.metadata.deletionTimestamp)
    return { do: 'Allow' };
  const found = budgets.filter((budget) => selects(budget, pod));
  const [budget] = found;
  if (!budget) return { do: 'Allow' };
  const { name } = budget.metadata;
  if (found.length > 1) {
    return refuse(
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
      [],
    );
  }
  const status = objectOf(budget['status']);
  const allowed = Number(status['disruptionsAllowed'] ?? 0);
  if (Number(status['observedGeneration'] ?? 0) >= (budget.metadata.generation ?? 0) && allowed > 0)
    return { do: 'Spend', budget: name };
  const why = `The disruption budget ${name} needs ${text(status['desiredHealthy'] ?? 0)} healthy pods and has ${text(status['currentHealthy'] ?? 0)} currently`;
  return refuse("Cannot evict pod as it would violate the pod's disruption budget.", [
    { reason: 'DisruptionBudget', message: why },
  ]);
}

const refuse = (message: string, causes: readonly Partial<Cause>[]): EvictionVerdict => ({
  do: 'Refuse',
  message,
  causes,
});
