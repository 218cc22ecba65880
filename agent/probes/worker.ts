// One probe of one container of one pod, for as long as the pod is there: asks, counts, tells.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Container, Pod, Probe } from '../../kube/types.ts';
import type { EventSink, ObservedContainer } from '../model.ts';
import type { Attempt, Finding, ProbeType } from './model.ts';
import { count, newTally, type Tally } from './rules/tally.ts';
import { isDue, pauseMs } from './rules/turn.ts';

/** What the worker finds when it looks; undefined once the pod does not want this probe any more. */
export interface Sight {
  readonly pod: Pod;
  readonly container: Container;
  readonly fieldPath: string;
  readonly probe: Probe;
  readonly record: ObservedContainer | undefined;
  readonly isStarted: boolean;
  readonly ip: string | undefined;
}

export interface ProbeResult {
  readonly pod: Pod;
  readonly container: string;
  readonly type: ProbeType;
  readonly result: 'successful' | 'failed' | 'unknown';
  readonly durationMs: number;
}

export interface WorkerParts {
  readonly type: ProbeType;
  readonly look: () => Sight | undefined;
  readonly attempt: (attempt: Attempt, signal: AbortSignal) => Promise<Finding>;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: Log;
  /** The verdict of the current run has changed. */
  readonly onVerdict: () => void;
  readonly onResult: (result: ProbeResult) => void;
}

export interface Worker {
  /** What is known of this run of the container. */
  tally(containerId: string): Tally | undefined;
  /** Ask now, not at the next tick. */
  poke(): void;
  /** Works until stopped or until nobody wants the probe. `firstPauseMs` comes before the first look. */
  run(firstPauseMs: number): Promise<void>;
  stop(): void;
}

const triesOnError = 3;
const titles: Readonly<Record<ProbeType, string>> = {
  startup: 'Startup',
  liveness: 'Liveness',
  readiness: 'Readiness',
};

export function createWorker(parts: WorkerParts): Worker {
  const { type, look, attempt, events, clock, log, onVerdict, onResult } = parts;
  const stopping = new AbortController();
  const { signal } = stopping;
  const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  let tally: Tally | undefined;
  let isPoked = false;
  let poked = Promise.withResolvers<void>();

  /** A probe that cannot be made is tried again at once; the last error is thrown. */
  async function tryOften(what: Attempt): Promise<Finding> {
    for (let tries = 1; ; tries++) {
      try {
        return await attempt(what, signal);
      } catch (error) {
        if (tries >= triesOnError || signal.aborted) throw error;
      }
    }
  }

  function warn({ pod, fieldPath }: Sight, reason: 'Unhealthy' | 'ProbeWarning', message: string): void {
    events.pod(pod, { type: 'Warning', reason, message: `${titles[type]} probe ${message}`, container: fieldPath });
  }

  function tell(sight: Sight, { result, output }: Finding): void {
    if (result === 'failure') warn(sight, 'Unhealthy', `failed: ${output}`);
    if (result === 'warning') warn(sight, 'ProbeWarning', `warning: ${output}`);
  }

  async function ask(sight: Sight, containerId: string, ip: string): Promise<void> {
    const { pod, container, probe } = sight;
    const startedMs = clock.now();
    const done = (result: ProbeResult['result']): void =>
      onResult({ pod, container: container.name, type, result, durationMs: clock.now() - startedMs });
    try {
      const timeoutMs = (probe.timeoutSeconds || 1) * 1000;
      const finding = await tryOften({ containerId, container, probe, ip, timeoutMs });
      done(finding.result === 'failure' ? 'failed' : 'successful');
      tell(sight, finding);
      conclude(probe, containerId, finding.result !== 'failure');
    } catch (err) {
      if (signal.aborted) return;
      done('unknown');
      log.debug({ err, container: container.name, containerId }, 'Probe errored');
      warn(sight, 'Unhealthy', `errored and resulted in failure state: ${err instanceof Error ? err.message : err}`);
    }
  }

  function conclude(probe: Probe, containerId: string, isGood: boolean): void {
    // The container may have been replaced while we asked.
    if (tally?.containerId !== containerId) return;
    const before = tally.verdict;
    tally = count(tally, type, probe, isGood);
    if (tally.verdict !== before) onVerdict();
  }

  async function turn(sight: Sight): Promise<void> {
    const { record, ip } = sight;
    if (record && tally?.containerId !== record.id) tally = newTally(record.id);
    if (record && ip !== undefined && isDue({ ...sight, type, tally }, clock.now())) await ask(sight, record.id, ip);
  }

  async function pause(milliseconds: number): Promise<void> {
    if (isPoked) return;
    const rest = new AbortController();
    await Promise.race([clock.sleep(milliseconds, rest.signal).catch(() => {}), poked.promise, ended]);
    rest.abort();
  }

  return {
    tally: (containerId) => (tally?.containerId === containerId ? tally : undefined),
    poke: () => {
      isPoked = true;
      poked.resolve();
      poked = Promise.withResolvers();
    },
    stop: () => stopping.abort(),
    run: async (firstPauseMs) => {
      if (firstPauseMs > 0) await pause(firstPauseMs);
      while (!signal.aborted) {
        const sight = look();
        if (!sight) return;
        const lastMs = clock.now();
        isPoked = false;
        await turn(sight);
        await pause(pauseMs({ ...sight, record: look()?.record }, lastMs, clock.now()));
      }
    },
  };
}
