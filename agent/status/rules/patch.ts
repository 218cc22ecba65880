// What to send so that the API's status of a pod becomes ours: a strategic merge patch of nothing but the difference.
import type { PodCondition, PodStatus } from '../../../kube/types.ts';
import { ownedTypes } from './conditions.ts';
import { isTerminal } from './phase.ts';
import { isSame } from './same.ts';

const scalars = [
  'observedGeneration',
  'phase',
  'reason',
  'message',
  'hostIP',
  'podIP',
  'startTime',
  'qosClass',
] as const;
/** The API server merges these by address; we always know all of them. */
const addressLists = ['hostIPs', 'podIPs'] as const;
/** The API server replaces these whole. */
const containerLists = ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'] as const;

const isRunning = (status: PodStatus): boolean =>
  containerLists.some((list) => status[list]?.some(({ state }) => state?.running));

/**
 * Our status with what must not be said yet left as the API has it: a pod is not over while a container of it may run,
 * because whoever waits for its end (a Job, a StatefulSet) starts the next one then.
 */
export function mergeStatus(api: PodStatus, ours: PodStatus, isTerminated: boolean): PodStatus {
  const heldBack = isTerminal(ours.phase) && !isTerminal(api.phase) && !isTerminated && isRunning(ours);
  const saysDisruption = isTerminal(ours.phase) && !heldBack;
  const conditions = (ours.conditions ?? []).filter(
    ({ type }) => ownedTypes.has(type) || (type === 'DisruptionTarget' && saysDisruption),
  );
  if (!heldBack) return { ...ours, conditions };
  const { phase = 'Pending', reason, message } = api;
  const { reason: _, message: __, ...rest } = ours;
  return { ...rest, phase, ...(reason ? { reason } : {}), ...(message ? { message } : {}), conditions };
}

const conditionFields = ['status', 'reason', 'message', 'lastTransitionTime', 'observedGeneration'] as const;

function conditionPatch(api: PodCondition | undefined, ours: PodCondition): object | undefined {
  const changed = conditionFields.filter((field) => (api?.[field] || undefined) !== (ours[field] || undefined));
  if (changed.length === 0) return undefined;
  return { type: ours.type, ...Object.fromEntries(changed.map((field) => [field, ours[field] ?? null])) };
}

function conditionsPatch(api: readonly PodCondition[], ours: readonly PodCondition[]): object[] {
  const known = new Map(api.map((condition) => [condition.type, condition]));
  const said = new Set(ours.map(({ type }) => type));
  const gone = api.filter(({ type }) => ownedTypes.has(type) && !said.has(type));
  return [
    ...ours.map((condition) => conditionPatch(known.get(condition.type), condition)).filter((patch) => patch),
    ...gone.map(({ type }) => ({ $patch: 'delete', type })),
  ] as object[];
}

/** The `status` of the patch; undefined when there is nothing to say. `ours` has been merged. */
export function statusPatch(api: PodStatus, ours: PodStatus): Readonly<Record<string, unknown>> | undefined {
  const patch: Record<string, unknown> = {};
  for (const field of scalars) if ((api[field] || undefined) !== ours[field]) patch[field] = ours[field] ?? null;
  for (const list of containerLists) if (!isSame(api[list] ?? [], ours[list] ?? [])) patch[list] = ours[list] ?? null;
  for (const list of addressLists) {
    if (!isSame(api[list] ?? [], ours[list] ?? [])) patch[list] = [{ $patch: 'replace' }, ...(ours[list] ?? [])];
  }
  const conditions = conditionsPatch(api.conditions ?? [], ours.conditions ?? []);
  if (conditions.length > 0) patch['conditions'] = conditions;
  return Object.keys(patch).length === 0 ? undefined : patch;
}
