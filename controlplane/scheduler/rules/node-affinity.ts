// Whether a node is one that a pod asks for: nodeSelector and node affinity.
import { matchesLabels, type Operator } from '../../../kube/selectors.ts';
import type { Pod } from '../../../kube/types.ts';
import type { NodeInfo, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm } from '../model.ts';

type Labelled = Pick<NodeInfo, 'name' | 'labels'>;

/** Both must hold: the selector and the required affinity. */
export function matchesRequired({ spec }: Pod, node: Labelled): boolean {
  const equal = Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => node.labels[key] === value);
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return equal && (!required || matchesNodeSelector(required, node));
}

/** Terms are alternatives; an empty term matches nothing. */
export function matchesNodeSelector({ nodeSelectorTerms }: NodeSelector, node: Labelled): boolean {
  return nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Labelled): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  return (
    matchesLabels(matchExpressions.map(requirement), node.labels) &&
    matchesLabels(matchFields.map(requirement), { 'metadata.name': node.name })
  );
}

const requirement = ({ key, operator, values = [] }: NodeSelectorRequirement) => ({
  key,
  operator: operator as Operator,
  values,
});

/** The weights of the preferred terms that a node meets. */
export function preferredWeight({ spec }: Pod, node: Labelled): number {
  const preferred = spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return preferred
    .filter(({ preference }) => matchesTerm(preference, node))
    .reduce((sum, { weight }) => sum + weight, 0);
}
