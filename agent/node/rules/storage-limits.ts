// Pods that use more of the node's disk than they may: by volume, by pod, by container.
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  quantityOf,
  zero,
} from '../../../kube/quantity.ts';
import type { Pod } from '../../../kube/types.ts';
import type { PodUsage } from '../../model.ts';
import type { Eviction } from './eviction.ts';
import { type Candidate, diskUse, isCritical } from './ranking.ts';

const isAbove = (bytes: number, limit: Quantity): boolean =>
  compareQuantities(quantityOf(Math.floor(bytes)), limit) > 0;

const limitOf = (limits: unknown): Quantity | undefined => {
  const text = (limits as Record<string, string> | undefined)?.['ephemeral-storage'];
  return text === undefined ? undefined : parseQuantity(text);
};

interface Breach {
  readonly message: string;
  readonly signal: string;
}

function volumeBreach(pod: Pod, usage: PodUsage): Breach | undefined {
  for (const { name, emptyDir } of pod.spec.volumes ?? []) {
    if (!emptyDir?.sizeLimit) continue;
    const limit = parseQuantity(emptyDir.sizeLimit);
    const used = usage.volumes.find((volume) => volume.name === name)?.bytes ?? 0;
    if (limit.nano === 0n || !isAbove(used, limit)) continue;
    const message = `Usage of EmptyDir volume "${name}" exceeds the limit "${formatQuantity(limit)}". `;
    return { message, signal: 'emptydirfs.limit' };
  }
  return undefined;
}

/** Only where some container has a limit; the others then add none. */
function podBreach(pod: Pod, usage: PodUsage): Breach | undefined {
  const limits = [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isSidecar)]
    .map(({ resources }) => limitOf(resources?.limits))
    .filter((limit) => limit !== undefined);
  if (limits.length === 0) return undefined;
  const total = limits.reduce(addQuantities, zero);
  if (!isAbove(diskUse(usage, 'all', 'shared').bytes, total)) return undefined;
  const words = formatQuantity(total);
  const message = `Pod ephemeral local storage usage exceeds the total limit of containers ${words}. `;
  return { message, signal: 'ephemeralpodfs.limit' };
}

const isSidecar = ({ restartPolicy }: { readonly restartPolicy?: string }): boolean => restartPolicy === 'Always';

function containerBreach(pod: Pod, usage: PodUsage): Breach | undefined {
  for (const { name, resources } of pod.spec.containers) {
    const limit = limitOf(resources?.limits);
    const used = usage.containers.find((container) => container.name === name);
    if (!limit || !used || !isAbove((used.rootFs?.bytes ?? 0) + (used.logs?.bytes ?? 0), limit)) continue;
    const message = `Container ${name} exceeded its local ephemeral storage limit "${formatQuantity(limit)}". `;
    return { message, signal: 'ephemeralcontainerfs.limit' };
  }
  return undefined;
}

/** Every pod beyond a limit of its own. It is its own fault: no DisruptionTarget. */
export function limitEvictions(candidates: readonly Candidate[]): readonly Eviction[] {
  return candidates.flatMap((candidate) => {
    const { pod, usage } = candidate;
    if (!usage || isCritical(candidate)) return [];
    const breach = volumeBreach(pod, usage) ?? podBreach(pod, usage) ?? containerBreach(pod, usage);
    if (!breach) return [];
    const { message, signal } = breach;
    const because = 'it uses more of the disk than its limit';
    const status = { reason: 'Evicted', message };
    return [{ pod, termination: { graceSeconds: 1, because, status }, annotations: {}, signal }];
  });
}

/** Whether anybody has limits that would have to be watched. */
export const hasStorageLimits = ({ spec }: Pod): boolean =>
  (spec.volumes ?? []).some(({ emptyDir }) => emptyDir?.sizeLimit !== undefined) ||
  [...spec.containers, ...(spec.initContainers ?? [])].some(
    ({ resources }) => limitOf(resources?.limits) !== undefined,
  );
