// Whether a probe may ask now, and when it looks again.
import type { Container, Pod, Probe } from '../../../kube/types.ts';
import type { ObservedContainer } from '../../model.ts';
import type { ProbeType } from '../model.ts';
import type { Tally } from './tally.ts';

export interface ProbeScene {
  readonly type: ProbeType;
  readonly probe: Probe;
  /** The newest record of the container; undefined before its first. */
  readonly record: ObservedContainer | undefined;
  readonly tally: Tally | undefined;
  /** Its startup probe, where it has one, has succeeded in this run. */
  readonly isStarted: boolean;
}

export function isDue({ type, probe, record, tally, isStarted }: ProbeScene, nowMs: number): boolean {
  if (record?.phase !== 'running' || tally?.isOnHold) return false;
  if ((type === 'startup') === isStarted) return false;
  return delayLeftMs(probe, record, nowMs) <= 0;
}

export const periodMs = (probe: Probe): number => (probe.periodSeconds || 10) * 1000;

function delayLeftMs(probe: Probe, record: ObservedContainer, nowMs: number): number {
  return (record.startedAtMs ?? nowMs) + (probe.initialDelaySeconds ?? 0) * 1000 - nowMs;
}

/** A period after the last look, or right when the initial delay is over where that is sooner. */
export function pauseMs(
  { probe, record }: Pick<ProbeScene, 'probe' | 'record'>,
  lastMs: number,
  nowMs: number,
): number {
  const period = Math.max(0, lastMs + periodMs(probe) - nowMs);
  const delay = record?.phase === 'running' ? delayLeftMs(probe, record, nowMs) : 0;
  return delay > 0 ? Math.min(period, delay) : period;
}

export function probeOf(container: Container, type: ProbeType): Probe | undefined {
  return { startup: container.startupProbe, liveness: container.livenessProbe, readiness: container.readinessProbe }[
    type
  ];
}

export interface Probed {
  readonly container: Container;
  /** "spec.containers{web}" */
  readonly fieldPath: string;
}

/** Regular containers and sidecars: plain init containers and ephemeral ones are not probed. */
export function probedContainers({ spec }: Pod): readonly Probed[] {
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [
    ...sidecars.map((container) => ({ container, fieldPath: `spec.initContainers{${container.name}}` })),
    ...spec.containers.map((container) => ({ container, fieldPath: `spec.containers{${container.name}}` })),
  ];
}

/** What the API knows from before this agent started: the same run of the container had passed its startup probe. */
export function hadStarted(pod: Pod, record: ObservedContainer): boolean {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const known = statuses.find(({ containerID }) => containerID === `docker://${record.id}`);
  return known?.started ?? false;
}
