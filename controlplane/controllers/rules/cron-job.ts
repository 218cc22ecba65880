// What a CronJob does next: a Job when it is due, none on top of others where that is forbidden, and a short memory of those that ended.
import { cronJobs, jobs } from '../../../kube/resources.ts';
import type { CronJob, Job } from '../../../kube/types.ts';
import type { Action, Outcome } from '../../model.ts';
import { endOf } from './job/plan.ts';
import { isOwnedBy, ownerReference } from './ownership.ts';
import { timeText } from './pod-conditions.ts';
import { sameContent } from './same.ts';
import { nextDue, parseSchedule, type Schedule } from './schedule.ts';

const timeAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
/** More than that are not counted any further: only the last one is started anyway. */
const mostMissed = 100;
/** So that a clock that runs a little ahead does not wake us before the minute. */
const laterMs = 100;

type Status = NonNullable<CronJob['status']>;

interface Scene {
  readonly cronJob: CronJob;
  readonly owned: readonly Job[];
  readonly running: readonly Job[];
  readonly nowMs: number;
}

export function planCronJob(cronJob: CronJob, inNamespace: readonly Job[], nowMs: number): Outcome {
  if (cronJob.metadata.deletionTimestamp) return { actions: [] };
  const owned = inNamespace.filter((one) => isOwnedBy(one, cronJob.metadata.uid));
  const running = owned.filter((one) => !endOf(one));
  const scene: Scene = { cronJob, owned, running, nowMs };
  const head = [...sayEnded(scene), ...forgetOld(scene)];
  const idle = { actions: [...head, ...planStatus(scene, statusOf(scene, running))] };
  if (cronJob.spec.suspend === true) return idle;
  const due = dueTime(scene);
  const again = due.next === undefined ? {} : { againInMs: due.next - nowMs + laterMs };
  if (due.missed === undefined) return { ...idle, ...again };
  const started = start(scene, due.missed);
  return { actions: [...head, ...due.actions, ...started], ...again };
}

/** Jobs that were running when last looked at, and have ended. */
function sayEnded({ cronJob, owned }: Scene): Action[] {
  return (cronJob.status?.active ?? []).flatMap(({ uid, name }): Action[] => {
    const job = owned.find(({ metadata }) => metadata.uid === uid);
    if (!job) {
      const message = `Active job went missing: ${name}`;
      return [{ do: 'Event', about: cronJob, type: 'Normal', reason: 'MissingJob', message }];
    }
    const end = endOf(job);
    const message = `Saw completed job: ${name}, condition: ${end?.type}`;
    return end ? [{ do: 'Event', about: cronJob, type: 'Normal', reason: 'SawCompletedJob', message }] : [];
  });
}

function forgetOld({ cronJob, owned }: Scene): Action[] {
  const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = cronJob.spec;
  const of = (type: string): Job[] => owned.filter((job) => endOf(job)?.type === type);
  return [...beyond(of('Complete'), successfulJobsHistoryLimit), ...beyond(of('Failed'), failedJobsHistoryLimit)].map(
    (job) => remove(cronJob, job, 'enough ended jobs are remembered'),
  );
}

function beyond(ended: readonly Job[], limit: number | undefined): Job[] {
  if (limit === undefined) return [];
  const started = ({ status, metadata }: Job): string => status?.startTime ?? metadata.creationTimestamp ?? '';
  const ordered = [...ended].sort((a, b) =>
    `${started(a)}${a.metadata.name}` < `${started(b)}${b.metadata.name}` ? -1 : 1,
  );
  return ordered.slice(0, Math.max(0, ordered.length - limit));
}

function remove(cronJob: CronJob, { metadata: { name, namespace, uid } }: Job, because: string): Action {
  const options = { preconditions: { uid }, propagationPolicy: 'Background' } as const;
  return { do: 'Delete', of: jobs, at: { name, namespace }, options, tell: cronJob, because };
}

interface Due {
  /** The last time that has passed without its Job. */
  readonly missed: number | undefined;
  readonly next: number | undefined;
  readonly actions: readonly Action[];
}

function dueTime({ cronJob, nowMs }: Scene): Due {
  const { schedule: text, timeZone, startingDeadlineSeconds } = cronJob.spec;
  const schedule = parseSchedule(text);
  const last = Date.parse(cronJob.status?.lastScheduleTime ?? cronJob.metadata.creationTimestamp ?? '');
  const earliest =
    startingDeadlineSeconds === undefined ? last : Math.max(last, nowMs - startingDeadlineSeconds * 1000);
  const { missed, count } = lastBefore(schedule, earliest, nowMs, timeZone);
  const message = `too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew`;
  const warning = { do: 'Event', about: cronJob, type: 'Warning', reason: 'TooManyMissedTimes', message } as const;
  return { missed, next: nextDue(schedule, nowMs, timeZone), actions: count > mostMissed ? [warning] : [] };
}

function lastBefore(
  schedule: Schedule,
  afterMs: number,
  nowMs: number,
  timeZone: string | undefined,
): { missed: number | undefined; count: number } {
  let missed: number | undefined;
  let count = 0;
  let from = afterMs;
  for (;;) {
    const due = nextDue(schedule, from, timeZone);
    if (due === undefined || due > nowMs) return { missed, count };
    count++;
    // After a long rest the times in between do not matter: go on a little before now.
    const jump = count === mostMissed + 1 ? nowMs - 2 * (due - (missed ?? due)) : due;
    missed = due;
    from = Math.max(due, jump);
  }
}

function start(scene: Scene, dueMs: number): Action[] {
  const { cronJob, owned, running } = scene;
  const job = newJob(cronJob, dueMs);
  const status = statusOf(scene, running);
  // It was made, but the status did not get to say so.
  const known = owned.find(({ metadata }) => metadata.name === job.metadata.name);
  if (known) return planStatus(scene, { ...status, lastScheduleTime: timeText(dueMs) });
  if (running.length > 0 && cronJob.spec.concurrencyPolicy === 'Forbid') {
    const message = 'Not starting job because prior execution is running and concurrency policy is Forbid';
    const told: Action = { do: 'Event', about: cronJob, type: 'Normal', reason: 'JobAlreadyActive', message };
    return [told, ...planStatus(scene, status)];
  }
  const replaced = cronJob.spec.concurrencyPolicy === 'Replace' ? running : [];
  const because = `it was due at ${timeText(dueMs)}`;
  return [
    ...replaced.map((one) => remove(cronJob, one, 'the next one takes its place')),
    { do: 'Create', of: jobs, object: job, tell: cronJob, because },
  ];
}

function newJob(cronJob: CronJob, dueMs: number) {
  const { name, namespace } = cronJob.metadata;
  const { metadata = {}, spec } = cronJob.spec.jobTemplate;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      // One name for each due time: it cannot be made twice.
      name: `${name}-${Math.floor(dueMs / 60_000)}`,
      namespace,
      ...(metadata.labels ? { labels: metadata.labels } : {}),
      annotations: { ...metadata.annotations, [timeAnnotation]: timeText(dueMs) },
      ownerReferences: [ownerReference(cronJob)],
    },
    spec,
  };
}

function statusOf({ cronJob, owned }: Scene, running: readonly Job[]): Status {
  const { lastScheduleTime } = cronJob.status ?? {};
  const ends = owned.flatMap((job) => (endOf(job)?.type === 'Complete' ? (job.status?.completionTime ?? []) : []));
  const before = cronJob.status?.lastSuccessfulTime;
  const lastSuccess = [...ends, ...(before ? [before] : [])].sort().at(-1);
  const active = running.map(({ metadata: { name, namespace, uid, resourceVersion } }) => ({
    ...{ apiVersion: 'batch/v1', kind: 'Job', name, namespace, uid },
    ...(resourceVersion ? { resourceVersion } : {}),
  }));
  return {
    ...(active.length > 0 ? { active } : {}),
    ...(lastScheduleTime ? { lastScheduleTime } : {}),
    ...(lastSuccess ? { lastSuccessfulTime: lastSuccess } : {}),
  };
}

function planStatus({ cronJob }: Scene, status: Status): Action[] {
  const plain = ({ active = [], ...rest }: Status): object => ({ ...rest, active: active.map(({ uid }) => uid) });
  if (sameContent(plain(cronJob.status ?? {}), plain(status))) return [];
  const object = { ...cronJob, status } as CronJob;
  return [{ do: 'Update', of: cronJobs, object, subresource: 'status', because: 'its jobs changed' }];
}
