// Jobs and CronJobs: defaults, checks and columns.
import { formatSelector, type LabelSelectorObject, selectorOf } from '../../../../kube/selectors.ts';
import { parseSchedule, ScheduleError } from '../../../controllers/rules/schedule.ts';
import {
  type ApiObject,
  at,
  type Cause,
  isObject,
  type JsonObject,
  list,
  object as objectOf,
  text,
} from '../../model.ts';
import { invalidValue, notSupported, required, tooLong } from '../../rules/names.ts';
import { sameJson } from '../../rules/patch/merge.ts';
import { age, ageColumn, shortDuration } from '../../rules/table.ts';
import type { Column, Strategy } from '../kind.ts';
import { defaultPodSpec, fill } from '../pod/defaults.ts';
import { containerColumns, defaultTemplate, notNegative, selectorColumn, specOf, templateCauses } from './template.ts';

const policies = ['OnFailure', 'Never'];

/** A job finds its pods by its own UID, unless it says that it knows better. */
function generateSelector(job: ApiObject, spec: JsonObject): void {
  const { uid, name } = job.metadata;
  if (spec['manualSelector'] === true || spec['selector'] !== undefined || !uid || !name) return;
  const template = objectOf(spec['template']);
  const metadata = objectOf(template['metadata']);
  const own = { 'batch.kubernetes.io/controller-uid': uid, 'batch.kubernetes.io/job-name': name };
  metadata['labels'] = { ...objectOf(metadata['labels']), ...own, 'controller-uid': uid, 'job-name': name };
  template['metadata'] = metadata;
  spec['template'] = template;
  spec['selector'] = { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } };
}

function defaults(job: ApiObject): void {
  const spec = specOf(job);
  if (spec['completions'] === undefined && spec['parallelism'] === undefined) spec['completions'] = 1;
  fill(spec, {
    parallelism: 1,
    backoffLimit: spec['backoffLimitPerIndex'] === undefined ? 6 : 2_147_483_647,
    completionMode: 'NonIndexed',
    suspend: false,
    podReplacementPolicy: isObject(spec['podFailurePolicy']) ? 'Failed' : 'TerminatingOrFailed',
    manualSelector: false,
  });
  if (spec['manualSelector'] === false) delete spec['manualSelector'];
  generateSelector(job, spec);
  defaultTemplate(job);
}

function jobSpecCauses(spec: JsonObject, path: string): Cause[] {
  const counts = ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished'];
  const modes = ['Indexed', 'NonIndexed'];
  const indexed = spec['completionMode'] === 'Indexed';
  const needed = 'when completion mode is Indexed';
  return [
    ...counts.flatMap((name) => notNegative(spec[name], `${path}.${name}`)),
    ...(spec['completionMode'] === undefined || modes.includes(text(spec['completionMode']))
      ? []
      : [notSupported(`${path}.completionMode`, spec['completionMode'], modes)]),
    ...(indexed && spec['completions'] === undefined ? [required(`${path}.completions`, needed)] : []),
    ...templateCauses(spec['template'], `${path}.template`, policies).map(inUpstreamsWords),
  ];
}

/** Jobs say of this one field that a value is wanted. */
const inUpstreamsWords = (cause: Cause): Cause =>
  cause.field.endsWith('.restartPolicy') && cause.message.includes('"Always"')
    ? { ...cause, message: 'Unsupported value: "Always": supported values: "OnFailure", "Never"' }
    : cause;

function jobCauses(job: ApiObject, old: ApiObject | undefined, subresource: string): Cause[] {
  if (subresource === 'status') return [];
  const spec = objectOf(job['spec']);
  const fixed = ['selector', 'template', 'completionMode', 'backoffLimitPerIndex', 'podFailurePolicy', 'successPolicy'];
  // While it is suspended, where its pods run may still be said.
  const free = old && at(old, 'spec.suspend') === true && !at(old, 'status.startTime') ? ['template'] : [];
  const before = objectOf(old?.['spec']);
  const changed = old ? fixed.filter((name) => !free.includes(name) && !sameJson(spec[name], before[name])) : [];
  return [
    ...jobSpecCauses(spec, 'spec'),
    ...(isObject(spec['selector']) ? [] : [required('spec.selector')]),
    ...changed.map((name) => invalidValue(`spec.${name}`, spec[name] ?? null, 'field is immutable')),
    ...(old && spec['completionMode'] !== 'Indexed' && !sameJson(spec['completions'], before['completions'])
      ? [invalidValue('spec.completions', spec['completions'] ?? null, 'field is immutable')]
      : []),
  ];
}

const conditionOf = (job: ApiObject, type: string): JsonObject | undefined =>
  list(at(job, 'status.conditions')).find((one) => one['type'] === type && one['status'] === 'True');

function statusWord(job: ApiObject): string {
  if (conditionOf(job, 'Complete')) return 'Complete';
  if (conditionOf(job, 'Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp) return 'Terminating';
  const found = ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find((type) => conditionOf(job, type));
  return found ?? 'Running';
}

function completions(job: ApiObject): string {
  const succeeded = Number(at(job, 'status.succeeded') ?? 0);
  const wanted = at(job, 'spec.completions');
  if (wanted !== undefined) return `${succeeded}/${Number(wanted)}`;
  const parallelism = Number(at(job, 'spec.parallelism') ?? 0);
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function duration(job: ApiObject, nowMs: number): string {
  const start = at(job, 'status.startTime');
  if (typeof start !== 'string') return '';
  const end = at(job, 'status.completionTime') ?? conditionOf(job, 'Failed')?.['lastTransitionTime'];
  return shortDuration((typeof end === 'string' ? Date.parse(end) : nowMs) - Date.parse(start));
}

export const jobStrategy: Strategy = {
  generation: true,
  orphansDependents: true,
  defaults,
  prepareCreate: (job) => {
    job['status'] = {};
  },
  validate: jobCauses,
  fields: { 'status.successful': (job) => text(at(job, 'status.succeeded') ?? 0) },
  columns: [
    { name: 'Status', cell: statusWord },
    { name: 'Completions', cell: completions },
    { name: 'Duration', cell: duration },
    ageColumn,
    ...containerColumns,
    selectorColumn,
  ],
};

/** A job's name grows by eleven letters from its CronJob's. */
const longestCronJobName = 52;

function cronJobCauses(cronJob: ApiObject, _: ApiObject | undefined, subresource: string): Cause[] {
  if (subresource === 'status') return [];
  const spec = objectOf(cronJob['spec']);
  const concurrency = ['Allow', 'Forbid', 'Replace'];
  return [
    ...(cronJob.metadata.name.length > longestCronJobName ? [tooLong('metadata.name', longestCronJobName)] : []),
    ...scheduleCauses(text(spec['schedule']), spec['timeZone']),
    ...(concurrency.includes(text(spec['concurrencyPolicy']))
      ? []
      : [notSupported('spec.concurrencyPolicy', spec['concurrencyPolicy'], concurrency)]),
    ...notNegative(spec['startingDeadlineSeconds'], 'spec.startingDeadlineSeconds'),
    ...notNegative(spec['successfulJobsHistoryLimit'], 'spec.successfulJobsHistoryLimit'),
    ...notNegative(spec['failedJobsHistoryLimit'], 'spec.failedJobsHistoryLimit'),
    ...jobSpecCauses(objectOf(at(spec, 'jobTemplate.spec')), 'spec.jobTemplate.spec'),
  ];
}

function scheduleCauses(schedule: string, timeZone: unknown): Cause[] {
  if (schedule === '') return [required('spec.schedule')];
  try {
    parseSchedule(schedule);
  } catch (error) {
    if (error instanceof ScheduleError) return [invalidValue('spec.schedule', schedule, error.message)];
    throw error;
  }
  if (timeZone === undefined || isTimeZone(text(timeZone))) return [];
  return [invalidValue('spec.timeZone', timeZone, `unknown time zone ${text(timeZone)}`)];
}

function isTimeZone(name: string): boolean {
  if (name === '' || name.toLowerCase() === 'local') return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** The columns of a job, read from the template that a CronJob has for them. */
const fromTemplate = ({ name, cell }: Column): Column => ({
  name,
  priority: 1,
  cell: (cronJob, nowMs) => cell({ ...cronJob, spec: at(cronJob, 'spec.jobTemplate.spec') }, nowMs),
});

const templateSelector = (job: ApiObject): string => {
  const selector = at(job, 'spec.jobTemplate.spec.selector');
  return isObject(selector) ? formatSelector(selectorOf(selector as LabelSelectorObject)) || '<none>' : '<none>';
};

export const cronJobStrategy: Strategy = {
  generation: true,
  defaults: (cronJob) => {
    const spec = specOf(cronJob);
    fill(spec, {
      concurrencyPolicy: 'Allow',
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
    });
    const template = at(spec, 'jobTemplate.spec.template');
    if (!isObject(template)) return;
    const pod = objectOf(template['spec']);
    template['spec'] = pod;
    defaultPodSpec(pod);
  },
  prepareCreate: (cronJob) => {
    cronJob['status'] = {};
  },
  validate: cronJobCauses,
  columns: [
    { name: 'Schedule', cell: (one) => text(at(one, 'spec.schedule')) },
    { name: 'Timezone', cell: (one) => text(at(one, 'spec.timeZone')) || '<none>' },
    { name: 'Suspend', cell: (one) => (at(one, 'spec.suspend') === true ? 'True' : 'False') },
    { name: 'Active', type: 'integer', cell: (one) => list(at(one, 'status.active')).length },
    {
      name: 'Last Schedule',
      cell: (one, nowMs) => {
        const last = at(one, 'status.lastScheduleTime');
        return last === undefined ? '<none>' : age(last, nowMs);
      },
    },
    ageColumn,
    ...containerColumns.map(fromTemplate),
    { name: 'Selector', priority: 1, cell: templateSelector },
  ],
};
