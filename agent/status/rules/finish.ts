// The last touches: what is said of containers that nobody saw end, and how much of their last words fits.
import type { ContainerState, ContainerStatus, Pod, PodStatus } from '../../../kube/types.ts';
import type { ContainerStatuses } from './containers.ts';
import { lostAtTheEnd } from './states.ts';

const podMessageBytes = 12_288;

const isTerminated = ({ state }: ContainerStatus): boolean => state?.terminated !== undefined;

function ended(status: ContainerStatus): ContainerStatus {
  return isTerminated(status) ? status : { ...status, ready: false, started: false, state: lostAtTheEnd };
}

/** Init containers up to the last one that shows an end; a pod that never got so far has failed at its first. */
function startedInits(statuses: readonly ContainerStatus[]): number {
  const last = statuses.findLastIndex(({ state, lastState }) => state?.terminated || lastState?.terminated);
  return Math.max(last, 0) + 1;
}

function wasInitialised(statuses: ContainerStatuses, before: PodStatus): boolean {
  if (before.conditions?.some(({ type, status }) => type === 'Initialized' && status === 'True')) return true;
  return statuses.init.length === 0 || statuses.init.at(-1)?.state?.terminated?.exitCode === 0;
}

/** Once a pod is terminated no container may look alive: those that nobody saw end have failed. */
export function endContainers(statuses: ContainerStatuses, before: PodStatus): ContainerStatuses {
  const started = startedInits(statuses.init);
  return {
    init: statuses.init.map((status, at) => (at < started ? ended(status) : status)),
    app: wasInitialised(statuses, before) ? statuses.app.map(ended) : statuses.app,
    ephemeral: statuses.ephemeral,
  };
}

/** The longest prefix of at most `bytes` bytes that cuts no character. */
function prefix(text: string, bytes: number): string {
  const buffer = Buffer.from(text);
  if (buffer.length <= bytes) return text;
  let end = bytes;
  while (end > 0 && ((buffer[end] ?? 0) & 0xc0) === 0x80) end--;
  return buffer.subarray(0, end).toString('utf8');
}

function shorten(state: ContainerState | undefined, bytes: number): ContainerState {
  const message = state?.terminated?.message;
  if (!state?.terminated || message === undefined) return state ?? {};
  return { terminated: { ...state.terminated, message: prefix(message, bytes) } };
}

/** All containers of a pod share the room for termination messages evenly. */
export function shortenMessages(pod: Pod, statuses: ContainerStatuses): ContainerStatuses {
  const { containers, initContainers = [], ephemeralContainers = [] } = pod.spec;
  const bytes = Math.floor(podMessageBytes / (containers.length + initContainers.length + ephemeralContainers.length));
  const each = (list: readonly ContainerStatus[]): ContainerStatus[] =>
    list.map((status) => ({
      ...status,
      state: shorten(status.state, bytes),
      lastState: shorten(status.lastState, bytes),
    }));
  return { init: each(statuses.init), app: each(statuses.app), ephemeral: each(statuses.ephemeral) };
}
