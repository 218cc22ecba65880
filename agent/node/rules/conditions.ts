// The node's conditions, and the events that their changes are worth.
import type { NodeCondition } from '../../../kube/types.ts';
import type { PodEvent } from '../../model.ts';
import type { Pressure } from './pressure.ts';

export interface Health {
  readonly pressure: Pressure;
  /** What keeps the node from being ready, in upstream's words. */
  readonly errors: readonly string[];
}

export function networkError(why: string): string {
  return `container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:docker: network plugin is not ready: ${why}`;
}

type Say = readonly [reason: string, message: string];
interface Kind {
  readonly type: 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';
  readonly on: Say;
  readonly off: Say;
}

const pressures: Readonly<Record<keyof Pressure, Kind>> = {
  memory: {
    type: 'MemoryPressure',
    on: ['KubeletHasInsufficientMemory', 'kubelet has insufficient memory available'],
    off: ['KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  },
  disk: {
    type: 'DiskPressure',
    on: ['KubeletHasDiskPressure', 'kubelet has disk pressure'],
    off: ['KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  },
  pid: {
    type: 'PIDPressure',
    on: ['KubeletHasInsufficientPID', 'kubelet has insufficient PID available'],
    off: ['KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
  },
};

type Verdict = Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'>;

function pressureVerdict({ type, on, off }: Kind, isOn: boolean): Verdict {
  const [reason, message] = isOn ? on : off;
  return { type, status: isOn ? 'True' : 'False', reason, message };
}

/** Several errors read as upstream joins them: "[a, b]". */
function readyVerdict(errors: readonly string[]): Verdict {
  const [first, ...more] = [...new Set(errors)];
  if (first === undefined)
    return { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' };
  const message = more.length === 0 ? first : `[${[first, ...more].join(', ')}]`;
  return { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message };
}

/** `nowText` becomes the heartbeat of all, and the transition time of those that changed. */
export function nodeConditions(health: Health, before: readonly NodeCondition[], nowText: string): NodeCondition[] {
  const { memory, disk, pid } = pressures;
  const verdicts = [
    pressureVerdict(memory, health.pressure.memory),
    pressureVerdict(disk, health.pressure.disk),
    pressureVerdict(pid, health.pressure.pid),
    readyVerdict(health.errors),
  ];
  return verdicts.map((verdict) => {
    const known = before.find(({ type }) => type === verdict.type);
    const lastTransitionTime = known?.status === verdict.status ? (known.lastTransitionTime ?? nowText) : nowText;
    return { ...verdict, lastHeartbeatTime: nowText, lastTransitionTime };
  });
}

const eventReasons: Readonly<Record<string, readonly [on: string, off: string]>> = {
  Ready: ['NodeReady', 'NodeNotReady'],
  MemoryPressure: ['NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
  DiskPressure: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
  PIDPressure: ['NodeHasInsufficientPID', 'NodeHasSufficientPID'],
};

/** A node that is new says of its pressures that they are not there, but not that it is not ready yet. */
export function conditionEvents(
  nodeName: string,
  before: readonly NodeCondition[],
  after: readonly NodeCondition[],
): Omit<PodEvent, 'container'>[] {
  return after.flatMap(({ type, status }) => {
    const known = before.find((condition) => condition.type === type);
    const [on, off] = eventReasons[type] ?? [];
    if (!on || !off || known?.status === status || (type === 'Ready' && !known)) return [];
    const reason = status === 'True' ? on : off;
    return [{ type: 'Normal', reason, message: `Node ${nodeName} status is now: ${reason}` }];
  });
}
