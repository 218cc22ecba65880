// The conditions that a kubelet says of a pod, and those of others that it leaves alone.
import type { ContainerStatus, Pod, PodCondition } from '../../../kube/types.ts';
import type { ObservedPod, ResizeFacts } from '../../model.ts';
import type { ContainerStatuses } from './containers.ts';
import type { Phase } from './phase.ts';
import { wishesOf } from './wishes.ts';

/** Types whose condition only a kubelet writes: what it does not say goes away. */
export const ownedTypes: ReadonlySet<string> = new Set([
  'PodScheduled',
  'Ready',
  'Initialized',
  'ContainersReady',
  'PodResizeInProgress',
  'PodResizePending',
  'PodReadyToStartContainers',
  'AllContainersRestarting',
]);

type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>;
const yes: Verdict = { status: 'True' };
const no = (reason: string, message?: string): Verdict => ({
  status: 'False',
  reason,
  ...(message === undefined ? {} : { message }),
});

/** The newest sandbox can take containers: alone, running, in the network the pod wants, with an address of its own. */
export function hasReadySandbox(pod: Pod, observed: ObservedPod | undefined): boolean {
  const [newest] = observed?.sandboxes ?? [];
  if (newest?.phase !== 'running') return false;
  if (observed?.sandboxes.some((other) => other !== newest && other.phase === 'running')) return false;
  const hostNetwork = pod.spec.hostNetwork ?? false;
  return newest.hostNetwork === hostNetwork && (hostNetwork || newest.ips.length > 0);
}

const statusNamed = (statuses: readonly ContainerStatus[], name: string): ContainerStatus | undefined =>
  statuses.find((status) => status.name === name);

function initialized(pod: Pod, statuses: ContainerStatuses, phase: Phase): Verdict {
  if (phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' };
  if (statuses.app.some(({ state }) => state?.running || state?.terminated)) return yes;
  const incomplete = wishesOf(pod)
    .init.filter(({ kind, container }) => {
      const status = statusNamed(statuses.init, container.name);
      return !(kind === 'sidecar' ? status?.started : status?.ready);
    })
    .map(({ container }) => container.name);
  if (incomplete.length === 0) return yes;
  return no('ContainersNotInitialized', `containers with incomplete status: [${incomplete.join(' ')}]`);
}

export function containersReady(pod: Pod, statuses: ContainerStatuses, phase: Phase): Verdict {
  if (phase === 'Succeeded') return no('PodCompleted');
  if (phase === 'Failed') return no('PodFailed');
  const { init, app } = wishesOf(pod);
  const unready = [...init.filter(({ kind }) => kind === 'sidecar'), ...app]
    .map(({ container }) => container.name)
    .filter((name) => !(statusNamed(statuses.init, name) ?? statusNamed(statuses.app, name))?.ready);
  if (unready.length === 0) return yes;
  return no('ContainersNotReady', `containers with unready status: [${unready.join(' ')}]`);
}

function podReady(pod: Pod, containers: Verdict): Verdict {
  if (containers.status !== 'True') return containers;
  const unmet = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = pod.status?.conditions?.find(({ type }) => type === conditionType);
    if (!condition) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    if (condition.status === 'True') return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`];
  });
  return unmet.length === 0 ? yes : no('ReadinessGatesNotReady', unmet.join(', '));
}

function stamp(
  type: string,
  verdict: Verdict,
  pod: Pod,
  before: readonly PodCondition[],
  nowText: string,
): PodCondition {
  const known = before.find((condition) => condition.type === type);
  const { generation } = pod.metadata;
  return {
    type,
    ...verdict,
    lastTransitionTime: known?.status === verdict.status ? (known.lastTransitionTime ?? nowText) : nowText,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}

export interface ConditionFacts {
  readonly pod: Pod;
  readonly observed: ObservedPod | undefined;
  readonly statuses: ContainerStatuses;
  readonly phase: Phase;
  readonly resize: ResizeFacts | undefined;
  /** The message of DisruptionTarget, where the node ends the pod for its own sake. */
  readonly disruption: string | undefined;
  readonly before: readonly PodCondition[];
  readonly nowText: string;
}

/** Said only while a change of resources waits or is under way. */
function resizes(resize: ResizeFacts | undefined): [string, Verdict][] {
  const { pending, inProgress } = resize ?? {};
  const error: Partial<Verdict> = inProgress?.error === undefined ? {} : { reason: 'Error', message: inProgress.error };
  return [
    ...(pending ? [['PodResizePending', { status: 'True', ...pending }] satisfies [string, Verdict]] : []),
    ...(inProgress ? [['PodResizeInProgress', { ...yes, ...error }] satisfies [string, Verdict]] : []),
  ];
}

/** Conditions of others as the API has them, then the kubelet's own. */
export function deriveConditions(facts: ConditionFacts): PodCondition[] {
  const { pod, observed, statuses, phase, resize, disruption, before, nowText } = facts;
  const ready = containersReady(pod, statuses, phase);
  const verdicts: readonly [string, Verdict][] = [
    ['PodReadyToStartContainers', hasReadySandbox(pod, observed) ? yes : { status: 'False' }],
    ['Initialized', initialized(pod, statuses, phase)],
    ['Ready', podReady(pod, ready)],
    ['ContainersReady', ready],
    ['PodScheduled', yes],
    ...resizes(resize),
  ];
  const target: Verdict = { status: 'True', reason: 'TerminationByKubelet', message: disruption ?? '' };
  const own = disruption === undefined ? verdicts : [['DisruptionTarget', target] as const, ...verdicts];
  const foreign = (pod.status?.conditions ?? []).filter(
    ({ type }) => !ownedTypes.has(type) && !own.some(([name]) => name === type),
  );
  return [...foreign, ...own.map(([type, verdict]) => stamp(type, verdict, pod, before, nowText))];
}
