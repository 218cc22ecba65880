// The words of an eviction: status message, event annotations, and how much time is left.
import { formatQuantity, parseQuantity, quantityOf, value } from '../../../kube/quantity.ts';
import type { Pod } from '../../../kube/types.ts';
import type { PodUsage, Rejection, Termination } from '../../model.ts';
import { bytesOf, type Pressure } from './pressure.ts';
import { type Candidate, isCritical } from './ranking.ts';
import { type MetThreshold, type Starved, starvedOf } from './thresholds.ts';

export interface Eviction {
  readonly pod: Pod;
  readonly termination: Termination;
  readonly annotations: Readonly<Record<string, string>>;
  /** The label of kubelet_evictions. */
  readonly signal: string;
}

const binary = (bytes: number): string => formatQuantity(quantityOf(Math.floor(bytes), 'BinarySI'));
const isBytes = (starved: Starved): boolean => starved === 'memory' || starved === 'ephemeral-storage';
const amountText = (starved: Starved, amount: number): string =>
  isBytes(starved) ? binary(amount) : formatQuantity(quantityOf(Math.floor(amount)));

interface Offender {
  readonly name: string;
  readonly used: string;
  readonly requested: string;
}

/** Containers that use more than they asked for; processes and inodes nobody can ask for. */
function offendersOf(pod: Pod, usage: PodUsage | undefined, starved: Starved): Offender[] {
  if (!isBytes(starved)) return [];
  const specs = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  return (usage?.containers ?? []).flatMap(({ name, memoryBytes, rootFs, logs }) => {
    const used = starved === 'memory' ? memoryBytes : (rootFs?.bytes ?? 0) + (logs?.bytes ?? 0);
    const requests = specs.find((container) => container.name === name)?.resources?.requests;
    const requested = parseQuantity((requests as Record<string, string> | undefined)?.[starved] ?? 0);
    if (used <= value(requested)) return [];
    return [{ name, used: binary(used), requested: formatQuantity(requested) }];
  });
}

/** Hard thresholds leave a second; soft ones what the pod asks for, as far as the configuration lets it. */
function graceSeconds(pod: Pod, { threshold }: MetThreshold, maxSoftGraceSeconds: number): number {
  if (threshold.graceMs === 0) return 1;
  return Math.max(1, Math.min(maxSoftGraceSeconds, pod.spec.terminationGracePeriodSeconds ?? 30));
}

export function evictionOf({ pod, usage }: Candidate, met: MetThreshold, maxSoftGraceSeconds: number): Eviction {
  const { threshold, signal } = met;
  const starved = starvedOf(threshold.signal);
  const wanted = amountText(starved, bytesOf(threshold.amount, signal.capacity));
  const offenders = offendersOf(pod, usage, starved);
  const message = [
    `The node was low on resource: ${starved}. `,
    `Threshold quantity: ${wanted}, available: ${amountText(starved, signal.available)}. `,
    ...offenders.map(
      ({ name, used, requested }) =>
        `Container ${name} was using ${used}, request is ${requested}, has larger consumption of ${starved}. `,
    ),
  ].join('');
  return {
    pod,
    termination: {
      graceSeconds: graceSeconds(pod, met, maxSoftGraceSeconds),
      because: `the node was low on ${starved}`,
      status: { reason: 'Evicted', message, disruption: message },
    },
    annotations: {
      offending_containers: offenders.map(({ name }) => name).join(','),
      offending_containers_usage: offenders.map(({ used }) => used).join(','),
      starved_resource: starved,
    },
    signal: threshold.signal,
  };
}

const bestEffortResources = ['cpu', 'memory'];

function isBestEffort({ spec, status }: Pod): boolean {
  if (status?.qosClass) return status.qosClass === 'BestEffort';
  const units = spec.resources ? [spec] : [...spec.containers, ...(spec.initContainers ?? [])];
  return units.every(({ resources }) =>
    [resources?.requests, resources?.limits].every((amounts) =>
      bestEffortResources.every((name) => !value(parseQuantity((amounts as Record<string, string>)?.[name] ?? 0))),
    ),
  );
}

const toleratesMemoryPressure = ({ spec }: Pod): boolean =>
  (spec.tolerations ?? []).some(
    ({ key, operator = 'Equal', value: wanted = '', effect }) =>
      (!effect || effect === 'NoSchedule') &&
      (key ? key === 'node.kubernetes.io/memory-pressure' : operator === 'Exists') &&
      (operator === 'Exists' || wanted === ''),
  );

/** Why a node under pressure does not take another pod. Short of memory alone it still takes those that said how much they need. */
export function refusalUnderPressure(
  candidate: Pick<Candidate, 'pod' | 'isStatic'>,
  pressure: Pressure,
): Rejection | undefined {
  const conditions = [
    ...(pressure.memory ? ['MemoryPressure'] : []),
    ...(pressure.disk ? ['DiskPressure'] : []),
    ...(pressure.pid ? ['PIDPressure'] : []),
  ];
  if (conditions.length === 0 || isCritical(candidate)) return undefined;
  const isMemoryOnly = !pressure.disk && !pressure.pid;
  if (isMemoryOnly && (!isBestEffort(candidate.pod) || toleratesMemoryPressure(candidate.pod))) return undefined;
  return { reason: 'Evicted', message: `The node had condition: [${conditions.join(' ')}]. ` };
}
