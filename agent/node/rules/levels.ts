// The control groups above the pods': how much all of them, and each class, may have.
import { milliValue, parseQuantity, value } from '../../../kube/quantity.ts';
import type { Pod } from '../../../kube/types.ts';

type Amounts = Readonly<Record<string, string>>;

/** In the kernel's units; 0 bytes is unlimited. */
export interface LevelLimits {
  readonly cpuShares: number;
  readonly memoryBytes: number;
}

export interface Levels {
  readonly pods: LevelLimits;
  readonly burstable: LevelLimits;
  readonly bestEffort: LevelLimits;
}

const leastShares = 2;
const mostShares = 262_144;
const sharesOf = (milliCpu: number): number =>
  Math.min(Math.max(Math.floor((milliCpu * 1024) / 1000), leastShares), mostShares);

const milli = (text: string | number | undefined): number => milliValue(parseQuantity(text ?? 0));
const bytes = (text: string | undefined): number => value(parseQuantity(text ?? 0));

function milliCpuOf({ spec }: Pod): number {
  const of = (resources: { readonly requests?: unknown } | undefined): number =>
    milli((resources?.requests as Amounts | undefined)?.['cpu']);
  const running = spec.containers.reduce((sum, { resources }) => sum + of(resources), 0);
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const own = (spec.resources?.requests as Amounts | undefined)?.['cpu'];
  const asked = own === undefined ? sidecars.reduce((sum, { resources }) => sum + of(resources), running) : milli(own);
  return asked + milli((spec.overhead as Amounts | undefined)?.['cpu']);
}

/** Eviction keeps its reserve free by itself: only what is reserved for others is kept from pods here. */
export function levelsOf(capacity: Amounts, reserved: readonly Amounts[], burstable: readonly Pod[]): Levels {
  const left = (name: string, amount: (text: string | undefined) => number): number =>
    Math.max(
      0,
      reserved.reduce((rest, amounts) => rest - amount(amounts[name]), amount(capacity[name])),
    );
  const burstableMilli = burstable.reduce((sum, pod) => sum + milliCpuOf(pod), 0);
  return {
    pods: { cpuShares: sharesOf(left('cpu', milli)), memoryBytes: left('memory', bytes) },
    burstable: { cpuShares: sharesOf(burstableMilli), memoryBytes: 0 },
    bestEffort: { cpuShares: leastShares, memoryBytes: 0 },
  };
}
