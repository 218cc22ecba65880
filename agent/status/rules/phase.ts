// The phase of a pod, counted over its containers' statuses.
import type { ContainerStatus, Pod } from '../../../kube/types.ts';
import type { ContainerWish } from '../../model.ts';
import type { ContainerStatuses } from './containers.ts';
import { restartsAfter, wishesOf } from './wishes.ts';

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

export const isTerminal = (phase: string | undefined): boolean => phase === 'Succeeded' || phase === 'Failed';

/** `ended`: it has exited, now or before it waits again. */
type Standing = 'running' | 'waiting' | { readonly ended: number };

function standingOf({ state, lastState }: ContainerStatus): Standing {
  if (state?.running) return 'running';
  const end = state?.terminated ?? lastState?.terminated;
  return end ? { ended: end.exitCode } : 'waiting';
}

interface Counts {
  pendingInit: number;
  failedForGood: number;
  pendingSidecar: number;
  running: number;
  waiting: number;
  stopped: number;
  succeeded: number;
  stoppedForGood: number;
}

function countInit(counts: Counts, pod: Pod, { container }: ContainerWish, standing: Standing): void {
  if (typeof standing === 'string') counts.pendingInit++;
  else if (standing.ended !== 0 && !restartsAfter(pod, container, standing.ended)) counts.failedForGood++;
}

/** How a sidecar ended does not matter for the phase: it always comes back. */
function countSidecar(counts: Counts, status: ContainerStatus, standing: Standing): void {
  if (standing === 'running') {
    counts.running++;
    if (!status.started) counts.pendingSidecar++;
  } else if (standing === 'waiting') {
    counts.waiting++;
    counts.pendingSidecar++;
  }
}

function countApp(counts: Counts, pod: Pod, { container }: ContainerWish, standing: Standing): void {
  if (standing === 'running' || standing === 'waiting') {
    counts[standing]++;
    return;
  }
  counts.stopped++;
  if (standing.ended === 0) counts.succeeded++;
  if (!restartsAfter(pod, container, standing.ended)) counts.stoppedForGood++;
}

function count(pod: Pod, statuses: ContainerStatuses): Counts {
  const counts: Counts = {
    pendingInit: 0,
    failedForGood: 0,
    pendingSidecar: 0,
    running: 0,
    waiting: 0,
    stopped: 0,
    succeeded: 0,
    stoppedForGood: 0,
  };
  const { init, app } = wishesOf(pod);
  for (const wish of [...init, ...app]) {
    const list = wish.kind === 'app' ? statuses.app : statuses.init;
    const status = list.find(({ name }) => name === wish.container.name);
    if (!status) continue;
    const standing = standingOf(status);
    if (wish.kind === 'init') countInit(counts, pod, wish, standing);
    else if (wish.kind === 'sidecar') countSidecar(counts, status, standing);
    else countApp(counts, pod, wish, standing);
  }
  return counts;
}

export interface PhaseFacts {
  /** Everything has stopped and nothing will start: a stopped container counts as done, whatever its policy. */
  readonly ended: boolean;
  /** A regular container was started in this sandbox: a sidecar that restarts does not make the pod pending again. */
  readonly initialised: boolean;
}

export function derivePhase(pod: Pod, statuses: ContainerStatuses, { ended, initialised }: PhaseFacts): Phase {
  const counts = count(pod, statuses);
  if (counts.failedForGood > 0) return 'Failed';
  if (counts.pendingInit > 0 || (counts.pendingSidecar > 0 && !initialised)) return 'Pending';
  if (counts.waiting > 0) return 'Pending';
  if (counts.running > 0) return 'Running';
  if (counts.stopped === 0) return 'Pending';
  if (!ended && counts.stoppedForGood < counts.stopped) return 'Running';
  return counts.succeeded === counts.stopped ? 'Succeeded' : 'Failed';
}
