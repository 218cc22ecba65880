// Creates and starts containers: a few at a time, around names that are taken and scores that the host refuses.
import { randomBytes } from 'node:crypto';
import type { Log } from '../../host/log.ts';
import { type ContainerPlan, type Engine, EngineError, isConflict, isNotFound } from './engine.ts';
import { labels } from './labels.ts';

export interface Launcher {
  /** Returns the running container's id. `onCreated` is called between creation and start. */
  launch(plan: ContainerPlan, signal: AbortSignal, onCreated?: (id: string) => Promise<void>): Promise<string>;
}

// runc 1.1 only says that its child is gone; later ones name the file.
const scoreRefused = /oom_score_adj|final child's PID from pipe|unable to start container process: .*pipe/i;

/** Lets `slots` callers in at a time, in order. */
export function createGate(slots: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let free = slots;
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}

/** Beyond about two starts per core nothing is gained but latency. */
export function createLauncher(engine: Engine, log: Log, slots: number): Launcher {
  const gate = createGate(slots);
  let refusesScores = false;

  const allowed = (plan: ContainerPlan): ContainerPlan =>
    refusesScores && (plan.oomScoreAdj ?? 0) < 0 ? { ...plan, oomScoreAdj: 0 } : plan;

  async function launchOnce(
    plan: ContainerPlan,
    signal: AbortSignal,
    onCreated?: (id: string) => Promise<void>,
  ): Promise<string> {
    signal.throwIfAborted();
    const id = await create(engine, plan, signal);
    await onCreated?.(id);
    try {
      await engine.startContainer(id, signal);
    } catch (error) {
      if ((plan.oomScoreAdj ?? 0) < 0 && error instanceof EngineError && scoreRefused.test(error.detail)) {
        await engine.removeContainer(id, signal);
        throw new ScoreRefused(error);
      }
      throw error;
    }
    return id;
  }

  return {
    launch: (plan, signal, onCreated) =>
      gate(async () => {
        try {
          return await launchOnce(allowed(plan), signal, onCreated);
        } catch (error) {
          if (!(error instanceof ScoreRefused)) throw error;
          const id = await launchOnce({ ...plan, oomScoreAdj: 0 }, signal, onCreated);
          if (!refusesScores)
            log.warn({ because: error.cause.detail }, 'Negative OOM scores are refused here and left out');
          refusesScores = true;
          return id;
        }
      }),
  };
}

class ScoreRefused extends Error {
  override readonly name = 'ScoreRefused';
  override readonly cause: EngineError;

  constructor(cause: EngineError) {
    super('the host refuses a negative OOM score');
    this.cause = cause;
  }
}

/**
 * A taken name is a leftover of ours that a crash hid, or somebody else's. Ours is removed and the next turn tries again; where it
 * is gone by then, or not ours, we take a name of our own.
 */
async function create(engine: Engine, plan: ContainerPlan, signal: AbortSignal): Promise<string> {
  try {
    return await engine.createContainer(plan, signal);
  } catch (error) {
    if (!isConflict(error)) throw error;
    if (await removeLeftover(engine, plan, signal)) throw error;
    return engine.createContainer({ ...plan, name: `${plan.name}_${randomBytes(4).toString('hex')}` }, signal);
  }
}

async function removeLeftover(engine: Engine, plan: ContainerPlan, signal: AbortSignal): Promise<boolean> {
  try {
    const other = await engine.inspectContainer(plan.name, signal);
    const isOurs = [labels.podUid, labels.node].every((label) => other.labels[label] === plan.labels[label]);
    if (!isOurs || other.phase === 'running') return false;
    await engine.removeContainer(other.id, signal);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
