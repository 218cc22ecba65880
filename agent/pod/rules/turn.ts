// When a pod wants its next turn.
import type { DesiredPod, PodAction } from '../../model.ts';
import { deadlineMs } from './terminate.ts';

export interface Turn {
  /** When to look again without being woken; undefined: at the next resync. */
  readonly againAtMs: number | undefined;
  /** Nothing is left of it, and nobody wants it. */
  readonly isOver: boolean;
}

interface TurnOutcome {
  readonly done: number;
  /** Containers that were to start and did not. */
  readonly unstarted: number;
  readonly resizeError: string | undefined;
  readonly failure: unknown;
  readonly retryAtMs: number | undefined;
}

const failedPauseMs = 10_000;
/** The network comes within moments of the agent's start. */
const networkPauseMs = 1000;
const startPauseMs = 10_000;

const isNetworkNotReady = (failure: unknown): boolean => failure instanceof Error && failure.name === 'NetworkNotReady';

/** At once while steps succeed: the next look decides what is left to do. */
export function nextTurn(
  desired: DesiredPod | undefined,
  actions: readonly PodAction[],
  outcome: TurnOutcome,
  nowMs: number,
): Turn {
  if (outcome.failure !== undefined) {
    return { againAtMs: nowMs + (isNetworkNotReady(outcome.failure) ? networkPauseMs : failedPauseMs), isOver: false };
  }
  if (!desired) return { againAtMs: nowMs, isOver: actions.some((action) => action.do === 'ForgetPod') };
  // What could not start now could not a moment later either, whatever else was done.
  if (outcome.done > 0 && outcome.unstarted === 0) return { againAtMs: nowMs, isOver: false };
  const isHeld = outcome.resizeError !== undefined || actions.some((action) => action.do === 'StartContainer');
  const dates = [outcome.retryAtMs, isHeld ? nowMs + startPauseMs : undefined, deadlineMs(desired.pod)].filter(
    (date): date is number => date !== undefined && date > nowMs,
  );
  return { againAtMs: dates.length === 0 ? undefined : Math.min(...dates), isOver: false };
}
