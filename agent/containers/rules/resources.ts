// Requests and limits in the engine's units, the OOM score, and where a pod's cgroup lies.
import { milliValue, parseQuantity, value } from '../../../kube/quantity.ts';
import type { Container, Pod } from '../../../kube/types.ts';
import type { ContainerResources } from '../../docker/engine.ts';

export const cfsPeriodMicros = 100_000;
const leastShares = 2;
const mostShares = 262_144;
const leastQuotaMicros = 1000;

export function sharesOf(milliCpu: number): number {
  if (milliCpu === 0) return leastShares;
  return Math.min(Math.max(Math.floor((milliCpu * 1024) / 1000), leastShares), mostShares);
}

export function quotaOf(milliCpu: number): number {
  if (milliCpu === 0) return 0;
  return Math.max(Math.floor((milliCpu * cfsPeriodMicros) / 1000), leastQuotaMicros);
}

type Lists = { limits?: Record<string, string | number>; requests?: Record<string, string | number> } | undefined;

function amount(lists: Lists, list: 'limits' | 'requests', name: 'cpu' | 'memory'): number | undefined {
  const text = lists?.[list]?.[name];
  if (text === undefined) return undefined;
  const quantity = parseQuantity(text);
  return name === 'cpu' ? milliValue(quantity) : value(quantity);
}

/** The limits of the pod as a whole hold where the container has none. */
export function containerResources(pod: Pod, container: Container): ContainerResources {
  const own = container.resources as Lists;
  const whole = pod.spec.resources as Lists;
  const cpuLimit = amount(own, 'limits', 'cpu') ?? amount(whole, 'limits', 'cpu') ?? 0;
  const cpuRequest = amount(own, 'requests', 'cpu') ?? amount(own, 'limits', 'cpu') ?? 0;
  const memoryBytes = amount(own, 'limits', 'memory') ?? amount(whole, 'limits', 'memory') ?? 0;
  return {
    cpuShares: sharesOf(cpuRequest),
    cpuQuotaMicros: quotaOf(cpuLimit),
    cpuPeriodMicros: cpuLimit === 0 ? 0 : cfsPeriodMicros,
    memoryBytes,
  };
}

export type Qos = 'Guaranteed' | 'Burstable' | 'BestEffort';

const counted = ['cpu', 'memory'] as const;

/** The pod's class, from its containers where the API server has not said it. */
export function qosOf(pod: Pod): Qos {
  if (pod.status?.qosClass) return pod.status.qosClass as Qos;
  const units: Lists[] = pod.spec.resources
    ? [pod.spec.resources as Lists]
    : [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map((container) => container.resources as Lists);
  const positive = (lists: Lists, list: 'limits' | 'requests', name: 'cpu' | 'memory'): boolean =>
    (amount(lists, list, name) ?? 0) > 0;
  const isNothing = units.every((lists) =>
    counted.every((name) => !positive(lists, 'requests', name) && !positive(lists, 'limits', name)),
  );
  if (isNothing) return 'BestEffort';
  const isFixed = units.every((lists) =>
    counted.every(
      (name) =>
        positive(lists, 'limits', name) &&
        (amount(lists, 'requests', name) ?? amount(lists, 'limits', name)) === amount(lists, 'limits', name),
    ),
  );
  return isFixed ? 'Guaranteed' : 'Burstable';
}

const guaranteedScore = -997;
const bestEffortScore = 1000;
const burstableScores = { least: 3, most: 999 };

/** How readily the kernel kills it: the more of the node's memory it asked for, the later. */
export function oomScoreOf(pod: Pod, container: Container, nodeMemoryBytes: number): number {
  if (pod.spec.priorityClassName === 'system-node-critical') return guaranteedScore;
  const qos = qosOf(pod);
  if (qos === 'Guaranteed') return guaranteedScore;
  if (qos === 'BestEffort') return bestEffortScore;
  const scoreFor = (one: Container): number => {
    const request =
      amount(one.resources as Lists, 'requests', 'memory') ?? amount(one.resources as Lists, 'limits', 'memory') ?? 0;
    const score = 1000 - Math.floor((1000 * request) / Math.max(nodeMemoryBytes, 1));
    return Math.min(Math.max(score, burstableScores.least), burstableScores.most);
  };
  // A sidecar must not go before the containers that it serves.
  if (container.restartPolicy === 'Always') {
    return Math.min(scoreFor(container), ...pod.spec.containers.map(scoreFor));
  }
  return scoreFor(container);
}

export interface PodCgroup {
  /** Directory names below the cgroup root: ["kubepods", "burstable", "pod<uid>"]. */
  readonly path: readonly string[];
  readonly cpuShares: number;
  /** 0: not limited. */
  readonly cpuQuotaMicros: number;
  readonly memoryBytes: number;
}

/** The cgroup that holds a pod. Limits only where every container has one, else they would be the others' too. */
export function podCgroup(pod: Pod): PodCgroup {
  const qos = qosOf(pod);
  const unit = `pod${pod.metadata.uid}`;
  const path = qos === 'Guaranteed' ? ['kubepods', unit] : ['kubepods', qos.toLowerCase(), unit];
  const limit = (name: 'cpu' | 'memory'): number => podTotal(pod, 'limits', name);
  if (qos === 'BestEffort') return { path, cpuShares: leastShares, cpuQuotaMicros: 0, memoryBytes: 0 };
  return {
    path,
    cpuShares: sharesOf(podTotal(pod, 'requests', 'cpu')),
    cpuQuotaMicros: quotaOf(limit('cpu')),
    memoryBytes: limit('memory'),
  };
}

/** The most that the pod needs at one moment of its life. For limits 0 where a container has none. */
export function podTotal(pod: Pod, list: 'limits' | 'requests', name: 'cpu' | 'memory'): number {
  const whole = amount(pod.spec.resources as Lists, list, name);
  const overhead = amount({ requests: pod.spec.overhead as Record<string, string> }, 'requests', name) ?? 0;
  if (whole !== undefined) return whole + overhead;
  const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const of = (container: Container): number => {
    const lists = container.resources as Lists;
    return amount(lists, list, name) ?? (list === 'requests' ? (amount(lists, 'limits', name) ?? 0) : 0);
  };
  if (list === 'limits' && all.some((container) => of(container) === 0)) return 0;
  let sidecars = 0;
  let most = 0;
  for (const container of pod.spec.initContainers ?? []) {
    if (container.restartPolicy === 'Always') sidecars += of(container);
    else most = Math.max(most, sidecars + of(container));
  }
  const running = pod.spec.containers.reduce((sum, container) => sum + of(container), sidecars);
  return Math.max(most, running) + overhead;
}
