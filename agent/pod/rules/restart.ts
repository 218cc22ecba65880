// Whether and when a container that has ended may start again.
import type { Container, Pod } from '../../../kube/types.ts';
import type { ContainerWish, ObservedContainer } from '../../model.ts';

export const firstBackOffSeconds = 10;
/** A container that ran for so long starts its crash loop anew. */
const forgiveAfterMs = 600_000;

type Verdict = 'Restart' | 'Stay';

function ruleVerdict(container: Container, exitCode: number): Verdict | undefined {
  for (const rule of container.restartPolicyRules ?? []) {
    const { exitCodes } = rule;
    if (rule.action !== 'Restart' || !exitCodes) continue;
    const isListed = (exitCodes.values ?? []).includes(exitCode);
    if ((exitCodes.operator === 'In') === isListed) return 'Restart';
  }
  return undefined;
}

/** The policy that holds for one container: its own, else the pod's. Plain init containers take Always as OnFailure. */
function policyOf(wish: ContainerWish, pod: Pod): string {
  if (wish.kind === 'sidecar') return 'Always';
  if (wish.kind === 'ephemeral') return 'Never';
  const policy = wish.container.restartPolicy ?? pod.spec.restartPolicy ?? 'Always';
  return wish.kind === 'init' && policy === 'Always' ? 'OnFailure' : policy;
}

/** Whether a container that ended with `exitCode` is to run again. */
export function shouldRestart(wish: ContainerWish, pod: Pod, exitCode: number): boolean {
  if (wish.kind !== 'ephemeral' && ruleVerdict(wish.container, exitCode) === 'Restart') return true;
  const policy = policyOf(wish, pod);
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}

export interface BackOff {
  /** When the next start is due. */
  readonly untilMs: number;
  readonly delaySeconds: number;
  /** What the next container's successor will have to wait. */
  readonly nextSeconds: number;
}

/**
 * The crash loop's pace after `ended`: the first restart at once, then 10 s doubling to `maxSeconds`. Each container carries its
 * successor's delay in a label, so that nothing of this is lost with the agent.
 */
export function backOffAfter(ended: ObservedContainer, maxSeconds: number): BackOff {
  const endedAtMs = ended.finishedAtMs ?? ended.createdAtMs;
  const first = Math.min(firstBackOffSeconds, maxSeconds);
  const owed = ended.backOffSeconds ?? 0;
  if (endedAtMs - ended.createdAtMs > forgiveAfterMs)
    return { untilMs: endedAtMs, delaySeconds: 0, nextSeconds: first };
  const delaySeconds = Math.min(owed, maxSeconds);
  return {
    untilMs: endedAtMs + delaySeconds * 1000,
    delaySeconds,
    nextSeconds: Math.min(Math.max(first, owed * 2), maxSeconds),
  };
}

/** "10s", "1m20s", "5m0s": as Go prints whole seconds. */
export function backOffText(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
}
