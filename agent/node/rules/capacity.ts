// What the node has and what pods may use of it.
import {
  formatQuantity,
  parseQuantity,
  type Quantity,
  quantityOf,
  subtractQuantities,
} from '../../../kube/quantity.ts';
import { bytesOf, type Thresholds } from './pressure.ts';

export type Amounts = Readonly<Record<string, string>>;

export interface MachineFacts {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** The file system that holds the agent's data. */
  readonly storageBytes: number;
  /** Page size in KiB → number of pages set aside. */
  readonly hugepages: ReadonlyMap<number, number>;
}

export interface CapacityPlan {
  readonly maxPods: number;
  /** 0 is no limit per core. */
  readonly podsPerCore: number;
  readonly systemReserved: Amounts;
  readonly kubeReserved: Amounts;
  readonly evictionHard: Thresholds;
}

function hugepageAmounts(pages: MachineFacts['hugepages']): Record<string, string> {
  return Object.fromEntries(
    [...pages].map(([sizeKib, count]) => [
      `hugepages-${formatQuantity(quantityOf(sizeKib * 1024, 'BinarySI'))}`,
      formatQuantity(quantityOf(sizeKib * 1024 * count, 'BinarySI')),
    ]),
  );
}

export function capacityOf(machine: MachineFacts, { maxPods, podsPerCore }: CapacityPlan): Amounts {
  const pods = podsPerCore > 0 ? Math.min(podsPerCore * machine.cpus, maxPods) : maxPods;
  return {
    cpu: String(machine.cpus),
    'ephemeral-storage': formatQuantity(quantityOf(machine.storageBytes, 'BinarySI')),
    memory: formatQuantity(quantityOf(machine.memoryBytes, 'BinarySI')),
    pods: String(pods),
    ...hugepageAmounts(machine.hugepages),
  };
}

function evictionReserve(name: string, capacity: Quantity, thresholds: Thresholds): Quantity {
  const signal = name === 'memory' ? 'memory.available' : name === 'ephemeral-storage' ? 'nodefs.available' : '';
  const capacityBytes = Number(capacity.nano / 1_000_000_000n);
  return quantityOf(bytesOf(thresholds[signal], capacityBytes), 'BinarySI');
}

/** Throws a RangeError where more is reserved than there is. */
export function checkReservations(capacity: Amounts, { systemReserved, kubeReserved }: CapacityPlan): void {
  for (const [name, amount] of Object.entries(capacity)) {
    const left = [systemReserved[name], kubeReserved[name]].reduce(
      (rest, reserved) => subtractQuantities(rest, parseQuantity(reserved ?? 0)),
      parseQuantity(amount),
    );
    if (left.nano < 0n)
      throw new RangeError(
        `Cannot reserve more ${name} than the node has: system "${systemReserved[name] ?? 0}" and kube "${kubeReserved[name] ?? 0}" of "${amount}"`,
      );
  }
}

/**
 * Capacity less what is reserved and what eviction keeps free. `capacity` is the node's as the API has it, so that
 * resources that others put there become allocatable too.
 */
export function allocatableOf(capacity: Amounts, plan: CapacityPlan): Amounts {
  const allocatable: Record<string, string> = {};
  let hugeNano = 0n;
  for (const [name, amount] of Object.entries(capacity)) {
    const whole = parseQuantity(amount);
    if (name.startsWith('hugepages-')) hugeNano += whole.nano;
    const taken = [plan.systemReserved[name] ?? 0, plan.kubeReserved[name] ?? 0].map(parseQuantity);
    const left = [...taken, evictionReserve(name, whole, plan.evictionHard)].reduce(subtractQuantities, whole);
    allocatable[name] = formatQuantity(left.nano < 0n ? { ...left, nano: 0n } : left);
  }
  const memory = parseQuantity(allocatable['memory'] ?? 0);
  const nano = memory.nano > hugeNano ? memory.nano - hugeNano : 0n;
  if (hugeNano > 0n) allocatable['memory'] = formatQuantity({ ...memory, nano });
  return allocatable;
}
