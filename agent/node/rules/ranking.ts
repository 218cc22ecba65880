// Which pod goes first when the node runs short: who uses more than it asked for, who matters less, who uses most.
import { parseQuantity, value } from '../../../kube/quantity.ts';
import type { Pod } from '../../../kube/types.ts';
import type { DiskUsage, PodUsage } from '../../model.ts';
import { type SignalName, type Starved, starvedOf } from './thresholds.ts';

export interface Candidate {
  readonly pod: Pod;
  readonly usage: PodUsage | undefined;
  /** From the API: only a pod that it does not know is the node's own and stays. */
  readonly isStatic: boolean;
}

type Amounts = Readonly<Record<string, string | number>> | undefined;

const amountIn = (amounts: unknown, name: string): number | undefined => {
  const text = (amounts as Amounts)?.[name];
  return text === undefined ? undefined : value(parseQuantity(text));
};

/** The most that the pod asked for at one moment of its life, in whole units. */
export function requestOf({ spec }: Pod, name: string): number {
  const whole = amountIn(spec.resources?.requests, name);
  let sidecars = 0;
  let most = 0;
  for (const { resources, restartPolicy } of spec.initContainers ?? []) {
    const amount = amountIn(resources?.requests, name) ?? 0;
    if (restartPolicy === 'Always') sidecars += amount;
    else most = Math.max(most, sidecars + amount);
  }
  const running = spec.containers.reduce(
    (sum, { resources }) => sum + (amountIn(resources?.requests, name) ?? 0),
    sidecars,
  );
  return (whole ?? Math.max(most, running)) + (amountIn(spec.overhead, name) ?? 0);
}

/** Static pods and those of the two system classes keep the node alive: they are never evicted. */
const systemCritical = 2_000_000_000;
export const isCritical = ({ pod, isStatic }: Pick<Candidate, 'pod' | 'isStatic'>): boolean =>
  isStatic || (pod.spec.priority ?? 0) >= systemCritical;

/** Where images and layers lie: with everything else, or on a disk of their own. */
export type DiskLayout = 'shared' | 'split';

/** What counts against a disk: on a shared one everything, else layers on the engine's and the rest on the node's. */
export function diskUse(usage: PodUsage, signal: SignalName | 'all', layout: DiskLayout): DiskUsage {
  const everything = layout === 'shared' || signal === 'all';
  const parts = [
    ...(everything || signal.startsWith('imagefs') ? usage.containers.map(({ rootFs }) => rootFs) : []),
    ...(everything || signal.startsWith('nodefs')
      ? [...usage.containers.map(({ logs }) => logs), ...usage.volumes.filter(({ isOnDisk }) => isOnDisk)]
      : []),
  ];
  return parts.reduce<DiskUsage>(
    (sum, part) => ({ bytes: sum.bytes + (part?.bytes ?? 0), inodes: sum.inodes + (part?.inodes ?? 0) }),
    { bytes: 0, inodes: 0 },
  );
}

interface Standing {
  readonly exceeds: number;
  readonly priority: number;
  readonly above: number;
}

function amountUsed(usage: PodUsage, starved: Starved, signal: SignalName, layout: DiskLayout): number {
  switch (starved) {
    case 'memory':
      return usage.memoryBytes;
    case 'ephemeral-storage':
      return diskUse(usage, signal, layout).bytes;
    case 'inodes':
      return diskUse(usage, signal, layout).inodes;
    case 'pids':
      return usage.processes;
  }
}

function standingOf({ pod, usage }: Candidate, signal: SignalName, layout: DiskLayout): Standing {
  const starved = starvedOf(signal);
  const used = usage ? amountUsed(usage, starved, signal, layout) : 0;
  const requested = starved === 'memory' || starved === 'ephemeral-storage' ? requestOf(pod, starved) : 0;
  // Nobody asks for processes: there only priority and number count.
  const exceeds = starved === 'pids' ? 0 : !usage || used > requested ? 1 : 0;
  return { exceeds, priority: pod.spec.priority ?? 0, above: used - requested };
}

/** All that may be evicted, the first to go first. A pod that nobody measured is no better than one that exceeds. */
export function rankPods(
  candidates: readonly Candidate[],
  signal: SignalName,
  layout: DiskLayout,
): readonly Candidate[] {
  return candidates
    .filter((candidate) => !isCritical(candidate))
    .map((candidate) => ({ candidate, standing: standingOf(candidate, signal, layout) }))
    .sort(({ standing: a }, { standing: b }) => b.exceeds - a.exceeds || a.priority - b.priority || b.above - a.above)
    .map(({ candidate }) => candidate);
}
