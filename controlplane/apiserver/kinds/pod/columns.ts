// What `kubectl get pods` shows: the words that people read first when something is wrong. Pure.
import { type ApiObject, at, isObject, type JsonObject, list, object as objectOf, text } from '../../model.ts';
import { age, ageColumn } from '../../rules/table.ts';
import type { Column } from '../kind.ts';

interface Summary {
  readonly ready: string;
  readonly status: string;
  readonly restarts: string;
}

const never = '0001-01-01T00:00:00Z';

function endReason(state: JsonObject): string {
  const reason = text(state['reason']);
  if (reason !== '') return reason;
  const signal = Number(state['signal'] ?? 0);
  return signal !== 0 ? `Signal:${signal}` : `ExitCode:${text(state['exitCode'] ?? 0)}`;
}

const stateOf = (status: JsonObject, name: string): JsonObject | undefined => {
  const state = objectOf(status['state'])[name];
  return isObject(state) ? state : undefined;
};

const isSidecar = (spec: JsonObject, name: unknown): boolean =>
  list(spec['initContainers']).some((one) => one['name'] === name && one['restartPolicy'] === 'Always');

/** The status word of the first init container that has not done its work; undefined when all have. */
function initStatus(spec: JsonObject, statuses: JsonObject[]): string | undefined {
  for (const [index, status] of statuses.entries()) {
    const ended = stateOf(status, 'terminated');
    if (ended && Number(ended['exitCode'] ?? 0) === 0) continue;
    if (isSidecar(spec, status['name']) && status['started'] === true) continue;
    if (ended) return `Init:${endReason(ended)}`;
    const waiting = text(stateOf(status, 'waiting')?.['reason']);
    if (waiting !== '' && waiting !== 'PodInitializing') return `Init:${waiting}`;
    return `Init:${index}/${list(spec['initContainers']).length}`;
  }
  return undefined;
}

function lastEnd(statuses: JsonObject[]): string {
  const ends = statuses.map((status) => text(at(status, 'lastState.terminated.finishedAt') ?? never));
  return ends.sort().at(-1) ?? never;
}

/** The word of the containers themselves, last one first, as upstream looks at them. */
function mainStatus(statuses: JsonObject[], start: string): { status: string; running: boolean } {
  let status = start;
  let running = false;
  for (const one of statuses.toReversed()) {
    const waiting = text(stateOf(one, 'waiting')?.['reason']);
    const ended = stateOf(one, 'terminated');
    if (waiting !== '') status = waiting;
    else if (ended) status = endReason(ended);
    else if (one['ready'] === true && stateOf(one, 'running')) running = true;
  }
  return { status, running };
}

function isPodReady(pod: ApiObject): boolean {
  return list(at(pod, 'status.conditions')).some(({ type, status }) => type === 'Ready' && status === 'True');
}

function statusWord(pod: ApiObject, spec: JsonObject, init: string | undefined, main: JsonObject[]): string {
  const { phase, reason } = objectOf(pod['status']);
  let status = text(reason) || text(phase);
  const gated = list(at(pod, 'status.conditions')).some(
    ({ type, reason: why }) => type === 'PodScheduled' && why === 'SchedulingGated',
  );
  if (gated) status = 'SchedulingGated';
  const hasMain = main.some((one) => stateOf(one, 'running') || stateOf(one, 'terminated'));
  if (init !== undefined) status = init;
  if (init === undefined || (list(spec['initContainers']).length > 0 && hasMain && init === undefined)) {
    const found = mainStatus(main, status);
    status = found.status;
    // A pod of which one container completed still runs.
    if (status === 'Completed' && found.running) status = isPodReady(pod) ? 'Running' : 'NotReady';
  }
  if (pod.metadata.deletionTimestamp === undefined) return status;
  if (reason === 'NodeLost') return 'Unknown';
  return phase === 'Succeeded' || phase === 'Failed' ? status : 'Terminating';
}

export function podSummary(pod: ApiObject, nowMs: number): Summary {
  const spec = objectOf(pod['spec']);
  const inits = list(at(pod, 'status.initContainerStatuses'));
  const main = list(at(pod, 'status.containerStatuses'));
  const sidecars = inits.filter((one) => isSidecar(spec, one['name']));
  const sidecarCount = list(spec['initContainers']).filter((one) => one['restartPolicy'] === 'Always').length;
  const init = initStatus(spec, inits);
  const counted = init === undefined ? [...sidecars, ...main] : inits;
  const restarts = counted.reduce((sum, one) => sum + Number(one['restartCount'] ?? 0), 0);
  const ended = lastEnd(counted);
  const readyMain = main.filter((one) => one['ready'] === true && stateOf(one, 'running')).length;
  const readySidecars = sidecars.filter((one) => one['ready'] === true).length;
  return {
    ready: `${readyMain + readySidecars}/${list(spec['containers']).length + sidecarCount}`,
    status: statusWord(pod, spec, init, main),
    restarts: restarts > 0 && ended !== never ? `${restarts} (${age(ended, nowMs)} ago)` : `${restarts}`,
  };
}

function readinessGates(pod: ApiObject): string {
  const gates = list(at(pod, 'spec.readinessGates'));
  if (gates.length === 0) return '<none>';
  const conditions = list(at(pod, 'status.conditions'));
  const met = gates.filter((gate) =>
    conditions.some(({ type, status }) => type === gate['conditionType'] && status === 'True'),
  );
  return `${met.length}/${gates.length}`;
}

const orNone = (value: unknown): string => text(value) || '<none>';

export const podColumns: readonly Column[] = [
  { name: 'Ready', cell: (pod, nowMs) => podSummary(pod, nowMs).ready },
  { name: 'Status', cell: (pod, nowMs) => podSummary(pod, nowMs).status },
  { name: 'Restarts', cell: (pod, nowMs) => podSummary(pod, nowMs).restarts },
  ageColumn,
  {
    name: 'IP',
    priority: 1,
    cell: (pod) => orNone(text(list(at(pod, 'status.podIPs'))[0]?.['ip']) || at(pod, 'status.podIP')),
  },
  { name: 'Node', priority: 1, cell: (pod) => orNone(at(pod, 'spec.nodeName')) },
  { name: 'Nominated Node', priority: 1, cell: (pod) => orNone(at(pod, 'status.nominatedNodeName')) },
  { name: 'Readiness Gates', priority: 1, cell: readinessGates },
];
