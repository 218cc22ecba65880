// What a pod's status says, from the wish, the look, what is known besides, and what was said before.
import type { Pod, PodStatus } from '../../../kube/types.ts';
import type { DesiredPod, ObservedPod, PodFacts, Rejection } from '../../model.ts';
import { deriveConditions } from './conditions.ts';
import { type ContainerStatuses, deriveContainerStatuses, hasInitialised } from './containers.ts';
import { endContainers, shortenMessages } from './finish.ts';
import { deriveAddresses } from './ips.ts';
import { derivePhase, isTerminal, type Phase } from './phase.ts';
import { qosClassOf } from './qos.ts';
import { timeText } from './time.ts';

interface PhaseVerdict {
  readonly phase: Phase;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

const deadlineExceeded: PhaseVerdict = {
  phase: 'Failed',
  reason: 'DeadlineExceeded',
  message: 'Pod was active on the node longer than the specified deadline',
};

function isPastDeadline(pod: Pod, before: PodStatus, nowMs: number): boolean {
  const { activeDeadlineSeconds } = pod.spec;
  if (activeDeadlineSeconds === undefined || before.startTime === undefined) return false;
  return nowMs - Date.parse(before.startTime) >= activeDeadlineSeconds * 1000;
}

/** Terminal once, terminal for ever: the API server's word first, then ours. */
function terminalBefore(pod: Pod, before: PodStatus): PhaseVerdict | undefined {
  const said = [pod.status ?? {}, before].find(({ phase }) => isTerminal(phase));
  if (!said) return undefined;
  // A terminal phase that is held back from the API has its reason only in what we said.
  const { reason = before.reason, message = before.message } = said;
  return { phase: said.phase as Phase, reason, message };
}

function phaseOf(
  { pod, source }: DesiredPod,
  counted: Phase,
  facts: PodFacts,
  before: PodStatus,
  nowMs: number,
): PhaseVerdict {
  const sticky = terminalBefore(pod, before);
  if (sticky) return sticky;
  if (isTerminal(counted)) return { phase: counted };
  if (facts.termination?.status) {
    const { reason, message } = facts.termination.status;
    return { phase: 'Failed', reason, message };
  }
  if (isPastDeadline(pod, before, nowMs)) return deadlineExceeded;
  // A pod that was stopped before it could finish has failed; a static pod may come back under the same UID.
  if (facts.terminated && source === 'api') return { phase: 'Failed' };
  return counted === before.phase
    ? { phase: counted, reason: before.reason, message: before.message }
    : { phase: counted };
}

function generationOf(pod: Pod, before: PodStatus): Pick<PodStatus, 'observedGeneration'> {
  const observedGeneration = Math.max(pod.metadata.generation ?? 0, before.observedGeneration ?? 0);
  return observedGeneration === 0 ? {} : { observedGeneration };
}

function rejected(pod: Pod, { reason, message }: Rejection, before: PodStatus, nowText: string): PodStatus {
  return {
    ...generationOf(pod, before),
    phase: 'Failed',
    reason,
    message: `Pod was rejected: ${message}`,
    startTime: before.startTime ?? nowText,
    qosClass: qosClassOf(pod),
  };
}

function containerLists(statuses: ContainerStatuses): Partial<PodStatus> {
  const { init, app, ephemeral } = statuses;
  return {
    ...(init.length === 0 ? {} : { initContainerStatuses: [...init] }),
    containerStatuses: [...app],
    ...(ephemeral.length === 0 ? {} : { ephemeralContainerStatuses: [...ephemeral] }),
  };
}

/**
 * The whole status of a pod as a kubelet publishes it. `previous` is what was last derived in this life of the agent;
 * without it the pod's own status from the API counts. Times are whole seconds.
 */
export function derivePodStatus(
  desired: DesiredPod,
  observed: ObservedPod | undefined,
  facts: PodFacts,
  previous: PodStatus | undefined,
  nowMs: number,
): PodStatus {
  const { pod } = desired;
  const before = previous ?? pod.status ?? {};
  const nowText = timeText(nowMs);
  if (facts.rejection) return rejected(pod, facts.rejection, before, nowText);

  const seen = deriveContainerStatuses(pod, observed, facts, before);
  const ended = facts.terminated && desired.source === 'api';
  const counted = derivePhase(pod, seen, { ended, initialised: hasInitialised(pod, observed) });
  const { phase, reason, message } = phaseOf(desired, counted, facts, before, nowMs);
  const statuses = shortenMessages(pod, facts.terminated ? endContainers(seen, before) : seen);
  const disruption = facts.termination?.status?.disruption;
  return {
    ...generationOf(pod, before),
    phase,
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
    conditions: deriveConditions({
      pod,
      observed,
      statuses,
      phase,
      resize: facts.resize,
      disruption,
      before: before.conditions ?? [],
      nowText,
    }),
    ...deriveAddresses(pod, observed, facts, before),
    startTime: before.startTime ?? nowText,
    qosClass: qosClassOf(pod),
    ...containerLists(statuses),
  };
}
