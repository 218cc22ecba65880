// The status of each container: its state now and before, whether it has started and is ready, and why it waits.
import type { Container, ContainerState, ContainerStatus, Pod, PodStatus } from '../../../kube/types.ts';
import type { ContainerWish, ObservedContainer, ObservedPod, PodFacts, ProbeVerdict } from '../../model.ts';
import { resourcesOf } from './resources.ts';
import { containerIdOf, hasExited, initWasCollected, lostWhileRunning, stateOf } from './states.ts';
import { restartsAfter, wishesOf } from './wishes.ts';

export interface ContainerStatuses {
  readonly init: readonly ContainerStatus[];
  readonly app: readonly ContainerStatus[];
  readonly ephemeral: readonly ContainerStatus[];
}

interface Context {
  readonly pod: Pod;
  readonly facts: PodFacts;
  readonly waitingReason: 'ContainerCreating' | 'PodInitializing';
  /** Nothing is started any more. */
  readonly ending: boolean;
  /** A regular container has started in the newest sandbox, so every init container was done. */
  readonly initialised: boolean;
}

/** Whether a regular container was started in the newest sandbox, whatever became of it. */
export function hasInitialised(pod: Pod, observed: ObservedPod | undefined): boolean {
  const sandboxId = observed?.sandboxes[0]?.id;
  const names = new Set(pod.spec.containers.map(({ name }) => name));
  return (
    observed?.containers.some(
      (record) =>
        record.sandboxId === sandboxId && names.has(record.name) && (record.phase === 'running' || hasExited(record)),
    ) ?? false
  );
}

/** `recursive`: the paths below which the engine made everything read-only. */
function volumeMountsOf(
  { volumeMounts = [] }: Container,
  recursive: readonly string[] = [],
): Pick<ContainerStatus, 'volumeMounts'> {
  if (volumeMounts.length === 0) return {};
  return {
    volumeMounts: volumeMounts.map(({ name, mountPath, readOnly }) => ({
      name,
      mountPath,
      ...(readOnly ? { readOnly, recursiveReadOnly: recursive.includes(mountPath) ? 'Enabled' : 'Disabled' } : {}),
    })),
  };
}

/** No record in the engine: not created yet, or removed behind our back. */
function withoutRecord(wish: ContainerWish, old: ContainerStatus | undefined, context: Context): ContainerStatus {
  if (old?.state?.terminated) return old;
  const collected = wish.kind === 'init' && context.initialised;
  const lost = !collected && old?.state?.running !== undefined && !old.lastState?.terminated;
  return {
    name: wish.container.name,
    image: wish.container.image ?? '',
    imageID: '',
    state: collected ? initWasCollected : { waiting: { reason: context.waitingReason } },
    lastState: lost ? lostWhileRunning : (old?.lastState ?? {}),
    ready: false,
    restartCount: (old?.restartCount ?? 0) + (lost && !context.pod.metadata.deletionTimestamp ? 1 : 0),
    ...volumeMountsOf(wish.container),
  };
}

/** The end before this run: from its record, or, once that was collected, from what we said of it. */
function lastStateOf(records: readonly ObservedContainer[], old: ContainerStatus | undefined): ContainerState {
  const [newest, before] = records;
  if (before) return stateOf(before);
  if (!old || !newest) return {};
  const isSameRun = old.containerID === containerIdOf(newest);
  return isSameRun || !old.state?.terminated ? (old.lastState ?? {}) : old.state;
}

function fromRecord(
  { container, kind }: ContainerWish,
  newest: ObservedContainer,
  lastState: ContainerState,
): ContainerStatus {
  const requests = container.resources?.requests;
  return {
    name: container.name,
    image: newest.image,
    imageID: `docker://${newest.imageId}`,
    containerID: containerIdOf(newest),
    state: stateOf(newest),
    lastState,
    ready: false,
    restartCount: newest.restartCount,
    ...volumeMountsOf(container, newest.recursivelyReadOnly),
    ...(kind === 'ephemeral' ? {} : { resources: resourcesOf(container, newest) }),
    ...(kind === 'ephemeral' || !requests ? {} : { allocatedResources: requests }),
  };
}

function willStart(
  { kind, container }: ContainerWish,
  newest: ObservedContainer | undefined,
  context: Context,
): boolean {
  if (context.ending) return false;
  if (!newest) return true;
  if (newest.phase === 'running') return false;
  if (!hasExited(newest)) return true;
  if (kind === 'ephemeral' || (kind === 'init' && newest.exitCode === 0)) return false;
  return restartsAfter(context.pod, container, newest.exitCode);
}

/** A container that is to be started again, and cannot be yet, waits; how it ended moves to the state before. */
function orWaiting(
  status: ContainerStatus,
  wish: ContainerWish,
  newest: ObservedContainer | undefined,
  context: Context,
): ContainerStatus {
  const waiting = context.facts.waiting.get(wish.container.name);
  if (!waiting || !willStart(wish, newest, context)) return status;
  return {
    ...status,
    state: { waiting: { reason: waiting.reason, message: waiting.message } },
    ...(status.state?.terminated ? { lastState: status.state } : {}),
  };
}

/** A verdict that is not there yet leaves what was said of the same run: the agent may have restarted, the container did not. */
function hasStarted(
  wish: ContainerWish,
  verdict: ProbeVerdict | undefined,
  same: ContainerStatus | undefined,
): boolean {
  if (wish.kind === 'init' || !wish.container.startupProbe) return true;
  return verdict?.started ?? same?.started ?? false;
}

function isReady({ container }: ContainerWish, verdict: ProbeVerdict | undefined, same: ContainerStatus | undefined) {
  return container.readinessProbe ? (verdict?.ready ?? same?.ready ?? false) : true;
}

function withProbes(
  status: ContainerStatus,
  wish: ContainerWish,
  old: ContainerStatus | undefined,
  facts: PodFacts,
): ContainerStatus {
  if (wish.kind === 'ephemeral') return status;
  const verdict = facts.probes.get(status.containerID?.replace('docker://', '') ?? '');
  const same = old?.containerID === status.containerID ? old : undefined;
  const started = status.state?.running !== undefined && hasStarted(wish, verdict, same);
  if (wish.kind === 'init') return { ...status, started, ready: status.state?.terminated?.exitCode === 0 };
  return { ...status, started, ready: started && isReady(wish, verdict, same) };
}

function statusOf(
  wish: ContainerWish,
  records: readonly ObservedContainer[],
  old: ContainerStatus | undefined,
  context: Context,
): ContainerStatus {
  const [newest] = records;
  const plain = newest ? fromRecord(wish, newest, lastStateOf(records, old)) : withoutRecord(wish, old, context);
  return withProbes(orWaiting(plain, wish, newest, context), wish, old, context.facts);
}

const byName = (a: ContainerStatus, b: ContainerStatus): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** One status per container of the spec: init containers in their order, the others by name. */
export function deriveContainerStatuses(
  pod: Pod,
  observed: ObservedPod | undefined,
  facts: PodFacts,
  before: PodStatus,
): ContainerStatuses {
  const wishes = wishesOf(pod);
  const context: Context = {
    pod,
    facts,
    waitingReason: wishes.init.length > 0 ? 'PodInitializing' : 'ContainerCreating',
    ending: pod.metadata.deletionTimestamp !== undefined || facts.termination !== undefined || facts.terminated,
    initialised: hasInitialised(pod, observed),
  };
  const statuses = (list: readonly ContainerWish[], old: readonly ContainerStatus[] = []): ContainerStatus[] =>
    list.map((wish) => {
      const { name } = wish.container;
      const records = observed?.containers.filter((record) => record.name === name) ?? [];
      return statusOf(
        wish,
        records,
        old.find((status) => status.name === name),
        context,
      );
    });
  return {
    init: statuses(wishes.init, before.initContainerStatuses),
    app: statuses(wishes.app, before.containerStatuses).sort(byName),
    ephemeral: statuses(wishes.ephemeral, before.ephemeralContainerStatuses).sort(byName),
  };
}
