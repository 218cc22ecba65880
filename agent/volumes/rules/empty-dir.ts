// How much memory an emptyDir in memory may take, and on which kind of file system it lies.
import { parseQuantity, value } from '../../../kube/quantity.ts';
import type { Pod } from '../../../kube/types.ts';

const bytes = (quantity: string | number): number => value(parseQuantity(quantity));

/** The most that the pod's memory limits let it use; undefined where one container has none. */
export function podMemoryLimitBytes({ spec }: Pod): number | undefined {
  const podLimit = spec.resources?.limits?.['memory'];
  if (podLimit !== undefined) return bytes(podLimit);
  const limits = (containers: Pod['spec']['containers']): (number | undefined)[] =>
    containers.map(({ resources }) =>
      resources?.limits?.['memory'] === undefined ? undefined : bytes(resources.limits['memory']),
    );
  const isSidecar = ({ restartPolicy }: { restartPolicy?: string }): boolean => restartPolicy === 'Always';
  const init = spec.initContainers ?? [];
  const together = limits([...spec.containers, ...init.filter(isSidecar)]);
  const alone = limits(init.filter((container) => !isSidecar(container)));
  if ([...together, ...alone].includes(undefined)) return undefined;
  const sum = together.reduce<number>((total, limit) => total + (limit ?? 0), 0);
  return Math.max(sum, ...alone.map((limit) => limit ?? 0));
}

/** The size of a tmpfs for `pod`: the least of sizeLimit, the pod's memory limit and what the node has to give. 0: none is known. */
export function tmpfsSizeBytes(
  pod: Pod,
  sizeLimit: string | number | undefined,
  allocatable: Readonly<Record<string, string>>,
): number {
  const bounds = [
    sizeLimit === undefined ? undefined : bytes(sizeLimit),
    podMemoryLimitBytes(pod),
    allocatable['memory'] === undefined ? undefined : bytes(allocatable['memory']),
  ].filter((bound): bound is number => bound !== undefined && bound > 0);
  return bounds.length === 0 ? 0 : Math.min(...bounds);
}

/** Since 6.4 a tmpfs can promise never to be swapped out. `release` is the kernel's, as uname(1) says it. */
export function knowsNoSwap(release: string): boolean {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return Number(major) > 6 || (Number(major) === 6 && Number(minor) >= 4);
}

/** The page size of a HugePages medium ("2Mi"); undefined where the pod does not say which one. */
export function hugePageSize(pod: Pod, medium: string): string | undefined {
  if (medium.startsWith('HugePages-')) return medium.slice('HugePages-'.length);
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const sizes = new Set(
    containers
      .flatMap(({ resources }) => Object.keys(resources?.requests ?? {}))
      .filter((name) => name.startsWith('hugepages-'))
      .map((name) => name.slice('hugepages-'.length)),
  );
  return sizes.size === 1 ? [...sizes][0] : undefined;
}
