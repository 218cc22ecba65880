// Keeps pods even over places: the topology spread constraints that must hold.

import { type LabelSelector, matchesLabels, selectorOf } from '../../../kube/selectors.ts';
import type { Pod } from '../../../kube/types.ts';
import { tolerates } from '../../model.ts';
import type { NodeInfo, Refusal } from '../model.ts';
import { matchesRequired } from './node-affinity.ts';

type Constraint = NonNullable<Pod['spec']['topologySpreadConstraints']>[number];
type Check = (node: NodeInfo) => Refusal | undefined;

const uneven = "node(s) didn't match pod topology spread constraints";

export function spreadCheck(pod: Pod, nodes: readonly NodeInfo[]): Check | undefined {
  const constraints = (pod.spec.topologySpreadConstraints ?? []).filter(
    ({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule',
  );
  if (constraints.length === 0) return undefined;
  const placed = nodes.filter(({ labels }) =>
    constraints.every(({ topologyKey }) => Object.hasOwn(labels, topologyKey)),
  );
  const checks = constraints.map((constraint) => checkOf(constraint, pod, placed));
  return (node) => {
    for (const check of checks) {
      const refused = check(node);
      if (refused) return refused;
    }
    return undefined;
  };
}

function checkOf(constraint: Constraint, pod: Pod, placed: readonly NodeInfo[]): Check {
  const { topologyKey, maxSkew, minDomains = 1 } = constraint;
  const selector = selectorFor(constraint, pod);
  const counts = new Map<string, number>();
  for (const node of placed.filter((one) => isCounted(constraint, pod, one))) {
    const place = node.labels[topologyKey] ?? '';
    const here = node.pods.filter(
      ({ metadata }) =>
        metadata.namespace === pod.metadata.namespace &&
        !metadata.deletionTimestamp &&
        matchesLabels(selector, metadata.labels),
    );
    counts.set(place, (counts.get(place) ?? 0) + here.length);
  }
  const fewest = counts.size < minDomains ? 0 : Math.min(...counts.values());
  const itself = matchesLabels(selector, pod.metadata.labels) ? 1 : 0;
  return ({ labels }) => {
    const place = labels[topologyKey];
    if (place === undefined) return { reasons: [`${uneven} (missing required label)`], lasting: true };
    const skew = (counts.get(place) ?? 0) + itself - fewest;
    return skew > maxSkew ? { reasons: [uneven], lasting: false } : undefined;
  };
}

/** Whether a node's pods count: by default where the pod's selector and affinity allow it, whatever the taints. */
function isCounted(
  { nodeAffinityPolicy = 'Honor', nodeTaintsPolicy = 'Ignore' }: Constraint,
  pod: Pod,
  node: NodeInfo,
): boolean {
  if (nodeAffinityPolicy === 'Honor' && !matchesRequired(pod, node)) return false;
  if (nodeTaintsPolicy === 'Ignore') return true;
  const tolerations = pod.spec.tolerations ?? [];
  return node.taints.every(
    (taint) => taint.effect === 'PreferNoSchedule' || tolerations.some((one) => tolerates(one, taint)),
  );
}

/** matchLabelKeys narrow the selector to pods with the same values as this one: those of one rollout. */
function selectorFor({ labelSelector = {}, matchLabelKeys = [] }: Constraint, { metadata }: Pod): LabelSelector {
  const same = matchLabelKeys.flatMap((key) => {
    const value = metadata.labels?.[key];
    return value === undefined ? [] : [{ key, operator: 'In' as const, values: [value] }];
  });
  return [...selectorOf(labelSelector), ...same];
}
