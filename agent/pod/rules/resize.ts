// In-place resize (KEP-1287): which resources a pod has been granted, and which containers do not have them yet.
import { compareQuantities, parseQuantity } from '../../../kube/quantity.ts';
import type { Container, Pod, ResourceRequirements } from '../../../kube/types.ts';
import type { ContainerResources } from '../../docker/engine.ts';
import type { ContainerWish, DesiredPod, ObservedContainer, Rejection, WaitingReason } from '../../model.ts';

/** CPU and memory by container name, as granted. */
export type Allocation = ReadonlyMap<string, ResourceRequirements>;

type Amounts = Readonly<Record<string, string | number>>;
const resizable = ['cpu', 'memory'] as const;
const lists = ['limits', 'requests'] as const;

const containersOf = ({ spec }: Pod): readonly Container[] => [...(spec.initContainers ?? []), ...spec.containers];

/** What the spec asks for. */
export const askedBy = (pod: Pod): Allocation =>
  new Map(containersOf(pod).map(({ name, resources }) => [name, resources ?? {}]));

/** What was granted before, in the words of the pod's own status: all that an agent which starts anew has to know. */
export function grantedBefore(pod: Pod): Allocation {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  const said = [...initContainerStatuses, ...containerStatuses].flatMap(
    ({ name, resources, allocatedResources }): [string, ResourceRequirements][] =>
      resources ? [[name, { ...resources, ...(allocatedResources ? { requests: allocatedResources } : {}) }]] : [],
  );
  return new Map([...askedBy(pod), ...said]);
}

const amountsOf = (resources: ResourceRequirements | undefined, list: 'limits' | 'requests'): Amounts =>
  (resources?.[list] ?? {}) as Amounts;

function isSameAmount(a: string | number | undefined, b: string | number | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return compareQuantities(parseQuantity(a), parseQuantity(b)) === 0;
}

export function isSameAllocation(a: Allocation, b: Allocation): boolean {
  return [...new Set([...a.keys(), ...b.keys()])].every((container) =>
    lists.every((list) =>
      resizable.every((name) =>
        isSameAmount(amountsOf(a.get(container), list)[name], amountsOf(b.get(container), list)[name]),
      ),
    ),
  );
}

function withAmounts(container: Container, granted: ResourceRequirements | undefined): Container {
  if (!granted) return container;
  const resources: Record<string, unknown> = { ...container.resources };
  for (const list of lists) {
    const amounts: Record<string, string | number> = { ...amountsOf(container.resources, list) };
    for (const name of resizable) {
      const amount = amountsOf(granted, list)[name];
      if (amount === undefined) delete amounts[name];
      else amounts[name] = amount;
    }
    if (container.resources?.[list] || Object.keys(amounts).length > 0) resources[list] = amounts;
  }
  return { ...container, resources: resources as ResourceRequirements };
}

/** The pod as the node runs it: with what it was granted in the place of what it asks for. */
export function withAllocation(desired: DesiredPod, allocation: Allocation | undefined): DesiredPod {
  if (!allocation || isSameAllocation(allocation, askedBy(desired.pod))) return desired;
  const { pod } = desired;
  const granted = (list: readonly Container[]): Container[] =>
    list.map((container) => withAmounts(container, allocation.get(container.name)));
  const { initContainers, containers } = pod.spec;
  const spec = {
    ...pod.spec,
    containers: granted(containers),
    ...(initContainers ? { initContainers: granted(initContainers) } : {}),
  };
  return { ...desired, pod: { ...pod, spec } };
}

export interface ResizeVerdict {
  readonly allocation: Allocation;
  /** Why the pod has to do with what it has for now. */
  readonly pending: WaitingReason | undefined;
}

/** All that the pod asks for, or, while the node has no room for it, what it was granted before. */
export function allocate(
  { pod }: DesiredPod,
  before: Allocation,
  lacksRoom: () => Rejection | undefined,
): ResizeVerdict {
  const asked = askedBy(pod);
  const refusal = isSameAllocation(before, asked) ? undefined : lacksRoom();
  if (!refusal) return { allocation: asked, pending: undefined };
  return { allocation: before, pending: { reason: 'Deferred', message: refusal.message } };
}

/** Containers of other agents have what those gave them. */
export function isToResize(record: ObservedContainer, wanted: ContainerResources | undefined): boolean {
  return record.phase === 'running' && record.specHash !== '' && !!wanted && changed(record, wanted).length > 0;
}

function changed({ resources }: ObservedContainer, wanted: ContainerResources): ('cpu' | 'memory')[] {
  const isCpu = resources.cpuShares !== wanted.cpuShares || resources.cpuQuotaMicros !== wanted.cpuQuotaMicros;
  return [
    ...(isCpu ? ['cpu' as const] : []),
    ...(resources.memoryBytes === wanted.memoryBytes ? [] : ['memory' as const]),
  ];
}

/** Its resizePolicy asks for a restart when one of the resources changes that do. */
export function isRestartedByResize(
  { container }: ContainerWish,
  record: ObservedContainer,
  wanted: ContainerResources,
): boolean {
  const restarts = (container.resizePolicy ?? []).filter(({ restartPolicy }) => restartPolicy === 'RestartContainer');
  return changed(record, wanted).some((name) => restarts.some(({ resourceName }) => resourceName === name));
}

/** An event's message: upstream tells the whole allocation as JSON. */
export function resizeText(what: string, { metadata, spec }: Pod, error?: string): string {
  const told = (list: readonly Container[]) =>
    list.map(({ name, resources }) => ({ name, resources: resources ?? {} }));
  const summary = {
    ...(spec.initContainers?.length ? { initContainers: told(spec.initContainers) } : {}),
    containers: told(spec.containers),
    generation: metadata.generation ?? 0,
    ...(error === undefined ? {} : { error }),
  };
  return `Pod resize ${what}: ${JSON.stringify(summary)}`;
}
