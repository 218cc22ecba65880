// One serial worker per pod: never two turns of one pod at once, and at most one more waiting.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Turn } from './rules/turn.ts';

export interface Workers {
  /** Wants a turn for the pod, now. Many wishes before it starts are one. */
  wake(uid: string): void;
  /** The same, and what runs now is given up: its pod has to go, or to go faster. */
  interrupt(uid: string): void;
  /** Pods that have a worker. */
  known(): readonly string[];
  /** Takes no more turns, ends those that run, and resolves when they have ended. No container is touched. */
  stop(): Promise<void>;
}

export interface WorkerParts {
  readonly turn: (uid: string, signal: AbortSignal) => Promise<Turn>;
  /** The pod's last turn was its last of all. */
  readonly onOver: (uid: string) => void;
  readonly clock: Clock;
  readonly log: Log;
  /** Between looks at a pod that nothing woke: 60 s and a little more, so that not all look at once. */
  readonly resyncMs: () => number;
}

const errorPauseMs = 5_000;
/** A pod that goes on and on must not starve the others. */
const busyPauseMs = 20;
const busyTurns = 50;

interface Worker {
  isDue: boolean;
  wakeUp: () => void;
  current: AbortController;
}

export function createWorkers({ turn, onOver, clock, log, resyncMs }: WorkerParts): Workers {
  const workers = new Map<string, Worker>();
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();

  async function pause(worker: Worker, milliseconds: number): Promise<void> {
    const waiting = new AbortController();
    worker.wakeUp = () => waiting.abort();
    if (worker.isDue || stopping.signal.aborted) return;
    await clock.sleep(milliseconds, AbortSignal.any([waiting.signal, stopping.signal])).catch(() => {});
  }

  async function takeTurn(uid: string, worker: Worker): Promise<Turn | undefined> {
    worker.isDue = false;
    worker.current = new AbortController();
    const signal = AbortSignal.any([worker.current.signal, stopping.signal]);
    try {
      return await turn(uid, signal);
    } catch (err) {
      if (!signal.aborted) log.warn({ podUid: uid, err }, 'Pod sync failed');
      // Given up on purpose: the next turn knows why.
      if (worker.current.signal.aborted) worker.isDue = true;
      return undefined;
    }
  }

  async function live(uid: string, worker: Worker): Promise<void> {
    let busy = 0;
    while (!stopping.signal.aborted) {
      const outcome = await takeTurn(uid, worker);
      if (outcome?.isOver && !worker.isDue) break;
      const waitMs = outcome ? (outcome.againAtMs ?? Number.POSITIVE_INFINITY) - clock.now() : errorPauseMs;
      busy = waitMs <= 0 ? busy + 1 : 0;
      await pause(worker, Math.min(Math.max(waitMs, busy > busyTurns ? busyPauseMs * busy : 0), resyncMs()));
    }
    workers.delete(uid);
    if (!stopping.signal.aborted) onOver(uid);
  }

  function workerOf(uid: string): Worker {
    const known = workers.get(uid);
    if (known) return known;
    const worker: Worker = { isDue: false, wakeUp: () => {}, current: new AbortController() };
    workers.set(uid, worker);
    const life = live(uid, worker).catch((err: unknown) => log.error({ podUid: uid, err }, 'Pod worker died'));
    running.add(life);
    void life.then(() => running.delete(life));
    return worker;
  }

  function wake(uid: string): void {
    if (stopping.signal.aborted) return;
    const isNew = !workers.has(uid);
    const worker = workerOf(uid);
    if (isNew) return;
    worker.isDue = true;
    worker.wakeUp();
  }

  return {
    wake,
    interrupt: (uid) => {
      wake(uid);
      workers.get(uid)?.current.abort();
    },
    known: () => [...workers.keys()],
    stop: async () => {
      stopping.abort();
      await Promise.allSettled(running);
    },
  };
}
