// What a Job does next: pods until enough have succeeded, too many have failed, or the time is over; then it says so, once.
import { jobs, pods } from '../../../../kube/resources.ts';
import { selectorOf } from '../../../../kube/selectors.ts';
import type { Job, Pod } from '../../../../kube/types.ts';
import { type Action, nothing, type Outcome } from '../../../model.ts';
import { type Condition, conditionOf, withCondition } from '../conditions.ts';
import { claim } from '../ownership.ts';
import { isReady, timeText } from '../pod-conditions.ts';
import { byLoss, deletePod, isTerminating } from '../pods-of.ts';
import { sameContent } from '../same.ts';
import { formatIndexes } from './indexes.ts';
import {
  backoffMs,
  createPod,
  doneIndexes,
  hasFailed,
  hasSucceeded,
  indexOf,
  isIndexed,
  isTracked,
  release,
  restartsOf,
} from './pods.ts';
import { type Tally, tally } from './tally.ts';

export interface JobSight {
  readonly job: Job;
  /** Of the namespace. */
  readonly pods: readonly Pod[];
  readonly mayAdopt: boolean;
}

interface Scene {
  readonly job: Job;
  readonly owned: readonly Pod[];
  readonly active: readonly Pod[];
  readonly terminating: number;
  readonly tally: Tally;
  readonly done: ReadonlySet<number>;
  readonly nowMs: number;
}

interface Verdict {
  readonly type: 'SuccessCriteriaMet' | 'FailureTarget';
  readonly reason: string;
  readonly message: string;
}

const conditionsOf = ({ status }: Job): Condition[] => (status?.conditions ?? []) as Condition[];
const isTrue = (job: Job, type: string): boolean => conditionOf(conditionsOf(job), type)?.status === 'True';

/** The condition that a Job ends with. */
export const endOf = (job: Job): Condition | undefined =>
  conditionsOf(job).find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True');

export function planJob(sight: JobSight, nowMs: number): Outcome {
  const { job } = sight;
  const selector = selectorOf(job.spec.selector ?? {});
  if (selector.length === 0) return nothing;
  const { owned, actions } = claim(pods, job, selector, sight.pods, sight.mayAdopt);
  const end = endOf(job);
  if (end) return planEnded(job, end, owned, nowMs);
  const active = owned.filter((pod) => !hasSucceeded(pod) && !hasFailed(pod, job) && !pod.metadata.deletionTimestamp);
  const scene: Scene = {
    job,
    owned,
    active,
    terminating: owned.filter(isTerminating).length,
    tally: tally(job, owned),
    done: doneIndexes(job, owned),
    nowMs,
  };
  const work = planWork(scene);
  return { ...work, actions: [...actions, ...scene.tally.actions, ...work.actions] };
}

/** Nothing is left but to let go of pods, and, after its time, of the Job itself. */
function planEnded(job: Job, end: Condition, owned: readonly Pod[], nowMs: number): Outcome {
  const actions = owned.filter(isTracked).map(release);
  const ttl = job.spec.ttlSecondsAfterFinished;
  if (ttl === undefined || job.metadata.deletionTimestamp) return { actions };
  const leftMs = Date.parse(end.lastTransitionTime ?? '') + ttl * 1000 - nowMs;
  if (leftMs > 0) return { actions, againInMs: leftMs };
  const { name, namespace, uid } = job.metadata;
  const options = { preconditions: { uid }, propagationPolicy: 'Foreground' } as const;
  const because = `it ended ${ttl} s ago`;
  return { actions: [...actions, { do: 'Delete', of: jobs, at: { name, namespace }, options, because }] };
}

function planWork(scene: Scene): Outcome {
  const { job, active } = scene;
  if (job.metadata.deletionTimestamp) return { actions: planStatus(scene, statusOf(scene, conditionsOf(job))) };
  const verdict = verdictOf(scene);
  if (verdict) return planEnd(scene, verdict);
  const paused = pauseOf(scene);
  const status = statusOf(scene, paused.conditions);
  const head = [...planStatus(scene, status), ...paused.actions];
  if (job.spec.suspend === true) {
    const removed = active.map((pod) => deletePod(pod, job, 'its job is suspended'));
    return { actions: [...head, ...removed] };
  }
  const { actions, againInMs } = planPods(scene);
  const times = [againInMs, deadlineMs(scene, status.startTime)].filter((ms) => ms !== undefined);
  const next = times.length > 0 ? { againInMs: Math.max(0, Math.min(...times)) } : {};
  return { actions: [...head, ...actions], ...next };
}

function deadlineMs({ job, nowMs }: Scene, startTime: string | undefined): number | undefined {
  const seconds = job.spec.activeDeadlineSeconds;
  return seconds === undefined || !startTime ? undefined : Date.parse(startTime) + seconds * 1000 - nowMs;
}

/** Whether the Job is decided, and how; what was decided once stays. */
function verdictOf(scene: Scene): Verdict | undefined {
  const { job, tally: counts, active, done } = scene;
  for (const type of ['FailureTarget', 'SuccessCriteriaMet'] as const) {
    const known = conditionOf(conditionsOf(job), type);
    if (known?.status === 'True') return { type, reason: known.reason ?? '', message: known.message ?? '' };
  }
  const { backoffLimit = 6, completions, template } = job.spec;
  const restarts = template.spec?.restartPolicy === 'OnFailure' ? restartsOf(active) : 0;
  if (counts.failed > backoffLimit || (restarts > 0 && restarts > backoffLimit))
    return failure('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  const left = deadlineMs(scene, job.status?.startTime);
  if (left !== undefined && left <= 0 && job.spec.suspend !== true)
    return failure('DeadlineExceeded', 'Job was active longer than specified deadline');
  const succeeded = isIndexed(job) ? done.size : counts.succeeded;
  const enough = completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions;
  const message = 'Reached expected number of succeeded pods';
  return enough ? { type: 'SuccessCriteriaMet', reason: 'CompletionsReached', message } : undefined;
}

const failure = (reason: string, message: string): Verdict => ({ type: 'FailureTarget', reason, message });

/** First the verdict is said and the rest of the pods go; when none is left, the end is. */
function planEnd(scene: Scene, verdict: Verdict): Outcome {
  const { job, active, terminating, tally: counts } = scene;
  const said = withCondition(conditionsOf(job), condition(scene, verdict.type, verdict));
  const leaving = active.map((pod) => deletePod(pod, job, 'its job is decided'));
  const open = active.length + terminating + counts.noted.succeeded.length + counts.noted.failed.length;
  if (open > 0) return { actions: [...planStatus(scene, statusOf(scene, said)), ...leaving] };
  const succeeded = verdict.type === 'SuccessCriteriaMet';
  const ended = withCondition(said, condition(scene, succeeded ? 'Complete' : 'Failed', verdict));
  const status = {
    ...statusOf(scene, ended),
    ...(succeeded ? { completionTime: timeText(scene.nowMs) } : {}),
  };
  const event: Action = succeeded
    ? { do: 'Event', about: job, type: 'Normal', reason: 'Completed', message: 'Job completed' }
    : { do: 'Event', about: job, type: 'Warning', reason: verdict.reason, message: verdict.message };
  return { actions: [...planStatus(scene, status), event] };
}

function condition(
  { nowMs }: Scene,
  type: string,
  { reason, message }: Pick<Verdict, 'reason' | 'message'>,
  status: Condition['status'] = 'True',
): Condition {
  const now = timeText(nowMs);
  return { type, status, reason, message, lastTransitionTime: now, lastProbeTime: now } as Condition;
}

function pauseOf(scene: Scene): { conditions: Condition[]; actions: Action[] } {
  const { job } = scene;
  const known = conditionsOf(job);
  const was = isTrue(job, 'Suspended');
  const is = job.spec.suspend === true;
  if (was === is) return { conditions: known, actions: [] };
  const words = is
    ? { reason: 'JobSuspended', message: 'Job suspended' }
    : { reason: 'JobResumed', message: 'Job resumed' };
  const said = condition(scene, 'Suspended', words, is ? 'True' : 'False');
  const reason = is ? 'Suspended' : 'Resumed';
  return {
    conditions: withCondition(known, said),
    actions: [{ do: 'Event', about: job, type: 'Normal', reason, message: words.message }],
  };
}

function planPods(scene: Scene): Outcome {
  const { job, active, owned, tally: counts, done, terminating, nowMs } = scene;
  const { parallelism = 1, completions, podReplacementPolicy } = job.spec;
  const succeeded = isIndexed(job) ? done.size : counts.succeeded;
  const open = completions === undefined ? (succeeded > 0 ? active.length : parallelism) : completions - succeeded;
  const wanted = Math.min(parallelism, open);
  const because = `${wanted} pods are wanted, ${active.length} are active`;
  if (active.length > wanted) {
    const order = byLoss(() => 0, nowMs);
    const extra = [...active].sort(order).slice(0, active.length - wanted);
    // Nobody is to blame for these: they are let go uncounted.
    return {
      actions: extra.flatMap((pod) => [...(isTracked(pod) ? [release(pod)] : []), deletePod(pod, job, because)]),
    };
  }
  const running = active.length + (podReplacementPolicy === 'Failed' ? terminating : 0);
  const missing = wanted - running;
  const waitMs = missing > 0 ? backoffMs(job, owned, nowMs) : 0;
  if (missing <= 0) return nothing;
  if (waitMs > 0) return { actions: [], againInMs: waitMs };
  const indexes = isIndexed(job) ? freeIndexes(scene, missing) : Array.from({ length: missing }, () => undefined);
  return { actions: indexes.map((index) => createPod(job, index, because)) };
}

/** The lowest that are neither done nor under way. */
function freeIndexes({ job, active, done }: Scene, count: number): number[] {
  const taken = new Set([...done, ...active.map(indexOf)]);
  const all = Array.from({ length: job.spec.completions ?? 0 }, (_, index) => index);
  return all.filter((index) => !taken.has(index)).slice(0, count);
}

type Status = NonNullable<Job['status']>;

function statusOf(scene: Scene, conditions: readonly Condition[]): Status {
  const { job, active, terminating, tally: counts, done, nowMs } = scene;
  const suspended = job.spec.suspend === true;
  const startTime = suspended ? undefined : (job.status?.startTime ?? timeText(nowMs));
  const { succeeded, failed } = counts.noted;
  const numbers = {
    active: active.length,
    // A Job that is indexed counts indexes, not pods.
    succeeded: isIndexed(job) ? done.size : counts.counted.succeeded,
    failed: counts.counted.failed,
  };
  return {
    ...(conditions.length > 0 ? { conditions: [...conditions] as NonNullable<Status['conditions']> } : {}),
    ...(startTime === undefined ? {} : { startTime }),
    ...Object.fromEntries(Object.entries(numbers).filter(([, value]) => value > 0)),
    ready: active.filter(isReady).length,
    terminating,
    ...(isIndexed(job) ? { completedIndexes: formatIndexes(done) } : {}),
    uncountedTerminatedPods: {
      ...(succeeded.length > 0 ? { succeeded: [...succeeded] } : {}),
      ...(failed.length > 0 ? { failed: [...failed] } : {}),
    },
  };
}

function planStatus({ job }: Scene, status: Status): Action[] {
  if (sameContent(job.status, status)) return [];
  const because = `${status.active ?? 0} active, ${status.succeeded ?? 0} succeeded, ${status.failed ?? 0} failed`;
  return [{ do: 'Update', of: jobs, object: { ...job, status } as Job, subresource: 'status', because }];
}

/** Pods whose Job is gone: nobody will count them. */
export function releaseOrphans(inNamespace: readonly Pod[], jobName: string): Action[] {
  const label = 'batch.kubernetes.io/job-name';
  return inNamespace.filter((pod) => isTracked(pod) && pod.metadata.labels?.[label] === jobName).map(release);
}
