// What goes when the machine goes down: groups of pods by priority, each with its time, the least important first.
import type { Pod } from '../../../kube/types.ts';
import type { Termination } from '../../model.ts';

/** Pods of this priority, up to the next one, have so long. */
export interface ShutdownStep {
  readonly priority: number;
  readonly graceSeconds: number;
}

export interface ShutdownGroup {
  readonly graceSeconds: number;
  readonly pods: readonly Pod[];
}

/** Ascending by priority; those below the lowest step go with it. Groups without pods are left out. */
export function shutdownGroups(pods: readonly Pod[], steps: readonly ShutdownStep[]): readonly ShutdownGroup[] {
  const ordered = steps.toSorted((a, b) => a.priority - b.priority);
  const stepOf = ({ spec }: Pod): ShutdownStep | undefined =>
    ordered.findLast(({ priority }) => (spec.priority ?? 0) >= priority) ?? ordered[0];
  return ordered.flatMap((step) => {
    const own = pods.filter((pod) => stepOf(pod) === step);
    return own.length === 0 ? [] : [{ graceSeconds: step.graceSeconds, pods: own }];
  });
}

const message = 'Pod was terminated in response to imminent node shutdown.';

export function shutdownTermination({ spec }: Pod, groupSeconds: number): Termination {
  return {
    graceSeconds: Math.max(1, Math.min(spec.terminationGracePeriodSeconds ?? 30, groupSeconds)),
    because: 'the node is shutting down',
    status: { reason: 'Terminated', message, disruption: message },
  };
}

/** Whether a line of `busctl monitor --json=short` says that the machine goes down; undefined for any other line. */
export function parsePrepareForShutdown(line: string): boolean | undefined {
  try {
    const said: unknown = JSON.parse(line);
    if (typeof said !== 'object' || said === null) return undefined;
    const { member, payload } = said as { member?: unknown; payload?: { data?: unknown } };
    if (member !== 'PrepareForShutdown' || !Array.isArray(payload?.data)) return undefined;
    return payload.data[0] === true;
  } catch {
    return undefined;
  }
}

/** What systemd has to allow us. */
export const delayDropIn = (seconds: number): string =>
  `# The kubelet ends its pods before the machine goes down.\n[Login]\nInhibitDelayMaxSec=${seconds}\n`;
