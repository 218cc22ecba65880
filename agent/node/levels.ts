// Keeps the control groups above the pods' as large as they should be.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Levels } from './rules/levels.ts';

export interface LevelParts {
  readonly levels: () => Levels;
  /** Sets one group's limits, making it where it is missing. */
  readonly ensure: (level: readonly string[], limits: Levels['pods']) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

const everyMs = 10_000;

/** Sets those that differ from what is known to be set. */
export async function setLevels({ levels, ensure }: LevelParts, before?: Levels): Promise<Levels> {
  const now = levels();
  const wanted = [
    [['kubepods'], now.pods, before?.pods],
    [['kubepods', 'burstable'], now.burstable, before?.burstable],
    [['kubepods', 'besteffort'], now.bestEffort, before?.bestEffort],
  ] as const;
  for (const [level, limits, known] of wanted) {
    if (JSON.stringify(limits) !== JSON.stringify(known)) await ensure(level, limits);
  }
  return now;
}

/** Follows what the pods ask for until `signal` ends. Never rejects. */
export async function keepLevels(parts: LevelParts, signal: AbortSignal): Promise<void> {
  let known: Levels | undefined;
  while (!signal.aborted) {
    try {
      known = await setLevels(parts, known);
    } catch (err) {
      known = undefined;
      parts.log.warn({ err }, 'Control groups of the pods could not be set');
    }
    await parts.clock.sleep(everyMs, signal).catch(() => {});
  }
}
