// One turn of one pod's life: look, think, act, say. Everything that the agent does to pods happens here.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { PodStatus } from '../../kube/types.ts';
import { containerResources } from '../containers/rules/resources.ts';
import { EngineError } from '../docker/engine.ts';
import type { DesiredPod, EventSink, ObservedPod, ProbeVerdict, Rejection } from '../model.ts';
import { derivePodStatus } from '../status/rules/derive.ts';
import { execute, type Handlers, type Outcome } from './execute.ts';
import type { Memories, PodMemory } from './memory.ts';
import { type PlanFacts, planPod } from './rules/plan.ts';
import { allocate, grantedBefore, isSameAllocation, isToResize, resizeText, withAllocation } from './rules/resize.ts';
import { terminationOf } from './rules/terminate.ts';
import { nextTurn, type Turn } from './rules/turn.ts';

export interface SyncParts {
  /** What somebody wants of this node, by UID. */
  readonly desired: (uid: string) => DesiredPod | undefined;
  readonly observe: (uid: string, signal: AbortSignal) => Promise<ObservedPod>;
  readonly memories: Memories;
  /** Asked once, before the first deed: why the node refuses the pod. */
  readonly admit: (desired: DesiredPod) => Rejection | undefined;
  /** Why the node has no room for the resources that a running pod asks for. */
  readonly lacksRoom: (desired: DesiredPod) => Rejection | undefined;
  readonly events: Pick<EventSink, 'pod'>;
  readonly probes: ProbeTaker;
  readonly node: {
    readonly name: string;
    readonly hostIps: () => readonly string[];
    readonly maxBackOffSeconds: number;
  };
  readonly handlers: Handlers;
  readonly status: {
    publish(desired: DesiredPod, status: PodStatus): void;
    published(uid: string): PodStatus | undefined;
    markTerminated(uid: string): void;
  };
  readonly clock: Clock;
  readonly log: Log;
}

/** Probes follow what runs; their verdicts are facts of the next turn. */
export interface ProbeTaker {
  follow(desired: DesiredPod, observed: ObservedPod): void;
  verdicts(uid: string): ReadonlyMap<string, ProbeVerdict>;
  /** The pod has to go: nothing of it is to be restarted, but readiness still counts. */
  stopLivenessAndStartup(uid: string): void;
  forget(uid: string): void;
}

/** Never runs twice at once for one pod. Says when it wants to run again; throws only when the engine cannot be asked. */
export async function syncPod(uid: string, parts: SyncParts, signal: AbortSignal): Promise<Turn> {
  const wish = parts.desired(uid); // undefined: nobody wants it any more
  const before = await parts.observe(uid, signal);
  const desired = wish && granted(wish, before, parts);
  const facts = factsOf(uid, desired, before, parts);
  if (facts.termination) parts.probes.stopLivenessAndStartup(uid);

  const actions = planPod(desired, before, facts, parts.clock.now());
  const log = parts.log.child({ podUid: uid, ...(desired ? { pod: nameOf(desired) } : {}) });
  const outcome = await execute(actions, { uid, desired, observed: before }, parts.handlers, log, signal);
  if (outcome.failure !== undefined) sayStopped(outcome.failure, log);

  const after = actions.length === 0 ? before : await parts.observe(uid, signal);
  remember(uid, outcome, parts);
  if (desired) say(desired, after, parts);
  return nextTurn(desired, actions, outcome, parts.clock.now());
}

/** What the engine refuses is ours to worry about; a Secret that is missing is told to the user by an event. */
function sayStopped(failure: unknown, log: Log): void {
  if (failure instanceof EngineError) log.warn({ err: failure }, 'Pod sync stopped');
  else log.info({ because: failure instanceof Error ? failure.message : String(failure) }, 'Pod sync stopped');
}

const nameOf = ({ pod }: DesiredPod): string => `${pod.metadata.namespace}/${pod.metadata.name}`;

function factsOf(uid: string, desired: DesiredPod | undefined, observed: ObservedPod, parts: SyncParts): PlanFacts {
  const memory = parts.memories.of(uid);
  if (desired) {
    memory.termination = terminationOf(desired, observed, memory.termination, parts.clock.now());
    // What runs already was admitted by whoever started it.
    if (!memory.isAdmitted && !memory.termination && observed.sandboxes.length === 0) {
      memory.rejection = parts.admit(desired);
    }
    memory.isAdmitted = true;
  }
  return {
    nodeName: parts.node.name,
    hostIps: parts.node.hostIps(),
    maxBackOffSeconds: parts.node.maxBackOffSeconds,
    probes: parts.probes.verdicts(uid),
    waiting: memory.waiting,
    termination: memory.termination,
    rejection: memory.rejection,
    terminated: memory.terminated,
    areVolumesDue: memory.areVolumesDue,
    ...resizeFacts(desired, observed, memory),
  };
}

/** The pod with the resources that it was granted: those it asks for, or the old ones while they do not fit. */
function granted(wish: DesiredPod, observed: ObservedPod, parts: SyncParts): DesiredPod {
  const memory = parts.memories.of(wish.uid);
  const before = memory.allocation ?? grantedBefore(wish.pod);
  const { allocation, pending } = allocate(wish, before, () => parts.lacksRoom(wish));
  const desired = withAllocation(wish, allocation);
  if (pending && memory.resizePending?.message !== pending.message) {
    const message = resizeText(pending.reason, wish.pod, pending.message);
    parts.events.pod(wish.pod, { type: 'Warning', reason: `Resize${pending.reason}`, message });
  }
  if (allocation !== before && !isSameAllocation(allocation, before) && observed.sandboxes.length > 0) {
    memory.isResizing = true;
    parts.events.pod(wish.pod, {
      type: 'Normal',
      reason: 'ResizeStarted',
      message: resizeText('started', desired.pod),
    });
  }
  memory.allocation = allocation;
  memory.resizePending = pending;
  return desired;
}

function resizeFacts(
  desired: DesiredPod | undefined,
  observed: ObservedPod,
  { resizePending: pending, resizeError: error }: PodMemory,
): Pick<PlanFacts, 'wantedResources' | 'resize'> {
  const { containers = [], initContainers = [] } = desired?.pod.spec ?? {};
  const wantedResources = new Map(
    desired && [...containers, ...initContainers].map((one) => [one.name, containerResources(desired.pod, one)]),
  );
  const isUnderWay = observed.containers.some((record) => isToResize(record, wantedResources.get(record.name)));
  const inProgress = isUnderWay ? { error } : undefined;
  return { wantedResources, resize: pending || inProgress ? { pending, inProgress } : undefined };
}

function remember(uid: string, { waiting, resizeError }: Outcome, parts: SyncParts): void {
  const memory = parts.memories.of(uid);
  memory.resizeError = resizeError;
  for (const [name, reason] of waiting) {
    if (reason) memory.waiting.set(name, reason);
    else memory.waiting.delete(name);
  }
}

function say(desired: DesiredPod, observed: ObservedPod, parts: SyncParts): void {
  const { uid } = desired;
  parts.probes.follow(desired, observed);
  const facts = factsOf(uid, desired, observed, parts);
  sayResize(desired, facts, parts);
  const previous = parts.status.published(uid);
  parts.status.publish(desired, derivePodStatus(desired, observed, facts, previous, parts.clock.now()));
  if (facts.terminated) parts.status.markTerminated(uid);
}

/** Each word is said once: the error when it is a new one, the end when all containers have what was granted. */
function sayResize({ uid, pod }: DesiredPod, { resize }: PlanFacts, parts: SyncParts): void {
  const memory = parts.memories.of(uid);
  const error = resize?.inProgress?.error;
  if (error !== undefined && error !== memory.saidError) {
    parts.events.pod(pod, { type: 'Warning', reason: 'ResizeError', message: resizeText('error', pod, error) });
  }
  memory.saidError = error;
  if (!memory.isResizing || resize?.inProgress) return;
  memory.isResizing = false;
  parts.events.pod(pod, { type: 'Normal', reason: 'ResizeCompleted', message: resizeText('completed', pod) });
}
