// One container record as an API state: waiting, running or terminated, with the reasons that Docker's facts stand for.
import type { ContainerState } from '../../../kube/types.ts';
import type { ObservedContainer } from '../../model.ts';
import { timeText } from './time.ts';

export type Terminated = NonNullable<ContainerState['terminated']>;

export const containerIdOf = (record: ObservedContainer): string => `docker://${record.id}`;

/** Docker leaves a container that it could not start in "created", with an exit code. */
export function couldNotRun({ phase, startedAtMs, exitCode }: ObservedContainer): boolean {
  return phase !== 'running' && startedAtMs === undefined && exitCode !== 0;
}

export const hasExited = (record: ObservedContainer): boolean => record.phase === 'exited' || couldNotRun(record);

function reasonOf(record: ObservedContainer): string {
  if (couldNotRun(record)) return 'ContainerCannotRun';
  if (record.oomKilled) return 'OOMKilled';
  return record.exitCode === 0 ? 'Completed' : 'Error';
}

function terminated(record: ObservedContainer): Terminated {
  const message = [record.error, record.terminationMessage].filter((text) => text !== '').join(': ');
  return {
    exitCode: record.exitCode,
    reason: reasonOf(record),
    ...(message === '' ? {} : { message }),
    startedAt: timeText(record.startedAtMs ?? record.createdAtMs),
    finishedAt: timeText(record.finishedAtMs ?? record.createdAtMs),
    containerID: containerIdOf(record),
  };
}

export function stateOf(record: ObservedContainer): ContainerState {
  if (record.phase === 'running') return { running: { startedAt: timeText(record.startedAtMs ?? record.createdAtMs) } };
  // Created and not started yet: upstream shows no reason.
  return hasExited(record) ? { terminated: terminated(record) } : { waiting: {} };
}

/** 137 stands for "killed, nobody saw how". */
function unknownEnd(message: string): ContainerState {
  return { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', message } };
}

export const lostWhileRunning: ContainerState = unknownEnd(
  'The container could not be located when the pod was deleted.  The container used to be Running',
);
export const lostAtTheEnd: ContainerState = unknownEnd(
  'The container could not be located when the pod was terminated',
);
export const initWasCollected: ContainerState = {
  terminated: {
    exitCode: 0,
    reason: 'Completed',
    message:
      'Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally',
  },
};
