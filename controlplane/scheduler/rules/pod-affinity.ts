// Which pods a pod wants near and which it does not: required affinity and anti-affinity, its own and that of the pods already there.
import { matchesLabels, selectorOf } from '../../../kube/selectors.ts';
import type { Pod } from '../../../kube/types.ts';
import type { NamespaceLabels, NodeInfo, Refusal } from '../model.ts';

type PodAffinity = NonNullable<NonNullable<Pod['spec']['affinity']>['podAffinity']>;
type Term = NonNullable<PodAffinity['requiredDuringSchedulingIgnoredDuringExecution']>[number];
/** "topology key=value" of places. */
type Places = Set<string>;
type Check = (node: NodeInfo) => Refusal | undefined;

const refuse = (reason: string, lasting: boolean): Refusal => ({ reasons: [reason], lasting });

const nearTerms = ({ spec }: Pod): readonly Term[] =>
  spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
export const awayTerms = ({ spec }: Pod): readonly Term[] =>
  spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];

/** Looks at all pods once; the check is cheap for each node. */
export function podAffinityCheck(pod: Pod, nodes: readonly NodeInfo[], namespaces: NamespaceLabels): Check {
  const checks = [
    nearCheck(pod, nodes, namespaces),
    awayCheck(pod, nodes, namespaces),
    othersCheck(pod, nodes, namespaces),
  ];
  return (node) => {
    for (const check of checks) {
      const refused = check?.(node);
      if (refused) return refused;
    }
    return undefined;
  };
}

/** Only pods that match every term count, each for the place of its node. */
function nearCheck(pod: Pod, nodes: readonly NodeInfo[], namespaces: NamespaceLabels): Check | undefined {
  const terms = nearTerms(pod);
  if (terms.length === 0) return undefined;
  const matchesAll = (other: Pod): boolean => terms.every((term) => matches(term, pod, other, namespaces));
  const places = placesOf(nodes, (other) => (matchesAll(other) ? terms : []));
  // The first pod of a group that wants to be near itself may begin anywhere.
  const first = places.size === 0 && matchesAll(pod);
  return (node) => {
    const near = terms.every((term) => {
      const place = placeOf(node, term);
      return place !== undefined && (first || places.has(place));
    });
    return near ? undefined : refuse("node(s) didn't match pod affinity rules", true);
  };
}

function awayCheck(pod: Pod, nodes: readonly NodeInfo[], namespaces: NamespaceLabels): Check | undefined {
  const terms = awayTerms(pod);
  if (terms.length === 0) return undefined;
  const places = placesOf(nodes, (other) => terms.filter((term) => matches(term, pod, other, namespaces)));
  return (node) =>
    terms.some((term) => places.has(placeOf(node, term) ?? ''))
      ? refuse("node(s) didn't match pod anti-affinity rules", false)
      : undefined;
}

function othersCheck(pod: Pod, nodes: readonly NodeInfo[], namespaces: NamespaceLabels): Check | undefined {
  const places = placesOf(
    nodes.filter(({ keepsAway }) => keepsAway),
    (other) => awayTerms(other).filter((term) => matches(term, other, pod, namespaces)),
  );
  if (places.size === 0) return undefined;
  return (node) =>
    Object.entries(node.labels).some(([key, value]) => places.has(`${key}=${value}`))
      ? refuse("node(s) didn't satisfy existing pods anti-affinity rules", false)
      : undefined;
}

function placesOf(nodes: readonly NodeInfo[], termsOf: (other: Pod) => readonly Term[]): Places {
  const places: Places = new Set();
  for (const node of nodes) {
    for (const other of node.pods) {
      for (const term of termsOf(other)) {
        const place = placeOf(node, term);
        if (place !== undefined) places.add(place);
      }
    }
  }
  return places;
}

function placeOf({ labels }: NodeInfo, { topologyKey }: Term): string | undefined {
  return Object.hasOwn(labels, topologyKey) ? `${topologyKey}=${labels[topologyKey]}` : undefined;
}

/** Whether `other` is one that `owner`'s term speaks of. Without namespaces a term speaks of its owner's own. */
function matches(term: Term, owner: Pod, other: Pod, namespaces: NamespaceLabels): boolean {
  const { labelSelector, namespaces: named = [], namespaceSelector } = term;
  if (!labelSelector) return false;
  const place = other.metadata.namespace;
  const own = named.length === 0 && !namespaceSelector ? place === owner.metadata.namespace : named.includes(place);
  const selected = namespaceSelector && matchesLabels(selectorOf(namespaceSelector), namespaces(place));
  return (own || selected === true) && matchesLabels(selectorOf(labelSelector), other.metadata.labels);
}
