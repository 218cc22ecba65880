// The quality-of-service class of a pod, from its requests and limits.
import { addQuantities, compareQuantities, parseQuantity, type Quantity, zero } from '../../../kube/quantity.ts';
import type { Pod, PodSpec, ResourceRequirements } from '../../../kube/types.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const resources = ['cpu', 'memory'] as const;
type Amounts = Readonly<Record<string, Quantity>>;

/** Only amounts above zero of cpu and memory count. */
function amounts(list: Readonly<Record<string, string | number>> | undefined): Amounts {
  const found: Record<string, Quantity> = {};
  for (const name of resources) {
    const quantity = parseQuantity(list?.[name] ?? 0);
    if (quantity.nano > 0n) found[name] = quantity;
  }
  return found;
}

function sum(lists: readonly Amounts[]): Amounts {
  const total: Record<string, Quantity> = {};
  for (const list of lists) {
    for (const [name, quantity] of Object.entries(list)) total[name] = addQuantities(total[name] ?? zero, quantity);
  }
  return total;
}

const isSame = (a: Amounts, b: Amounts): boolean =>
  resources.every((name) => compareQuantities(a[name] ?? zero, b[name] ?? zero) === 0);

function classOf(parts: readonly ResourceRequirements[]): QosClass {
  const limits = parts.map((part) => amounts(part.limits));
  const requests = sum(parts.map((part) => amounts(part.requests)));
  const limited = sum(limits);
  if (Object.keys(requests).length === 0 && Object.keys(limited).length === 0) return 'BestEffort';
  const allLimited = limits.every((list) => resources.every((name) => list[name]));
  return allLimited && isSame(requests, limited) ? 'Guaranteed' : 'Burstable';
}

/** Resources of the pod itself, where it has any, count instead of those of its containers. */
export function computeQos(spec: PodSpec): QosClass {
  const own = spec.resources;
  const hasOwn = [own?.requests, own?.limits].some((list) => resources.some((name) => list?.[name] !== undefined));
  if (own && hasOwn) return classOf([own]);
  return classOf([...(spec.initContainers ?? []), ...spec.containers].map((container) => container.resources ?? {}));
}

/** The class that the API server wrote down at creation, else the computed one: it never changes in a pod's life. */
export const qosClassOf = (pod: Pod): QosClass => pod.status?.qosClass ?? computeQos(pod.spec);
