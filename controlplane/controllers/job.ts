// The loop of Jobs.
import { keyOf } from '../../kube/informer.ts';
import { jobs, pods } from '../../kube/resources.ts';
import { matchesLabels, selectorOf } from '../../kube/selectors.ts';
import type { Pod } from '../../kube/types.ts';
import { type Controller, type View, watch } from '../model.ts';
import { isAlive } from './adoption.ts';
import { planJob, releaseOrphans } from './rules/job/plan.ts';
import { controllerOf, ownerKeys, strays } from './rules/ownership.ts';

export const jobController: Controller<boolean> = {
  name: 'job',
  component: 'job-controller',
  watches: [watch(jobs, (one) => [keyOf(one)]), watch(pods, keysOfPod)],
  look: async (key, view, parts) => {
    const job = view.get(jobs, key);
    if (!job?.spec.selector) return false;
    const found = strays(job, selectorOf(job.spec.selector), view.list(pods, job.metadata.namespace));
    return found.length > 0 && isAlive(jobs, job, parts);
  },
  reconcile: (key, view, nowMs, mayAdopt) => {
    const job = view.get(jobs, key);
    const [namespace = '', name = ''] = key.split('/');
    const inNamespace = view.list(pods, namespace);
    return job ? planJob({ job, pods: inNamespace, mayAdopt }, nowMs) : { actions: releaseOrphans(inNamespace, name) };
  },
};

function keysOfPod(pod: Pod, view: View): readonly string[] {
  if (controllerOf(pod)) return ownerKeys(pod, 'Job');
  const { namespace, labels } = pod.metadata;
  const former = labels?.['batch.kubernetes.io/job-name'];
  const matching = view
    .list(jobs, namespace)
    .filter(({ spec }) => spec.selector !== undefined && matchesLabels(selectorOf(spec.selector), labels))
    .map(keyOf);
  return former === undefined ? matching : [...matching, `${namespace}/${former}`];
}
