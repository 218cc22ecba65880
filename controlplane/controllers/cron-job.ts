// The loop of CronJobs.
import { keyOf } from '../../kube/informer.ts';
import { cronJobs, jobs } from '../../kube/resources.ts';
import { type Controller, looksNoFurther, nothing, watch } from '../model.ts';
import { planCronJob } from './rules/cron-job.ts';
import { ownerKeys } from './rules/ownership.ts';

export const cronJobController: Controller = {
  name: 'cronjob',
  component: 'cronjob-controller',
  watches: [watch(cronJobs, (one) => [keyOf(one)]), watch(jobs, (job) => ownerKeys(job, 'CronJob'))],
  look: looksNoFurther,
  reconcile: (key, view, nowMs) => {
    const cronJob = view.get(cronJobs, key);
    return cronJob ? planCronJob(cronJob, view.list(jobs, cronJob.metadata.namespace), nowMs) : nothing;
  },
};
