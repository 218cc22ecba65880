// How pods differ from other objects.
import { type ApiObject, at, type JsonObject, list, object as objectOf, text } from '../../model.ts';
import type { Strategy } from '../kind.ts';
import { podColumns } from './columns.ts';
import { defaultPod } from './defaults.ts';
import { qosClass } from './qos.ts';
import { podCauses } from './validation.ts';

function prepareCreate(pod: ApiObject): void {
  pod['status'] = { phase: 'Pending', qosClass: qosClass(objectOf(pod['spec'])) };
  if (list(at(pod, 'spec.schedulingGates')).length === 0) return;
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    reason: 'SchedulingGated',
    message: 'Scheduling is blocked due to non-empty scheduling gates',
  };
  Object.assign(objectOf(pod['status']), { conditions: [condition] });
}

/** Seconds until the pod may be removed: nobody holds a pod that no node has taken up, or that has ended. */
function graceSeconds(pod: ApiObject, asked: number | undefined): number {
  const spec = objectOf(pod['spec']);
  const { phase } = objectOf(pod['status']);
  if (text(spec['nodeName']) === '' || phase === 'Failed' || phase === 'Succeeded') return 0;
  const seconds = asked ?? Number(spec['terminationGracePeriodSeconds'] ?? 30);
  // Upstream reads a negative time as one second.
  return seconds < 0 ? 1 : seconds;
}

const onlySpecField =
  (name: string) =>
  (pod: ApiObject, old: ApiObject): ApiObject => {
    const value = objectOf(pod['spec'])[name];
    const spec = { ...objectOf(old['spec']), ...(value === undefined ? {} : { [name]: value }) };
    return { ...old, spec };
  };

/** A resize changes resources and resize policies of containers, nothing else. */
function resize(pod: ApiObject, old: ApiObject): ApiObject {
  const wanted = (name: string): JsonObject[] =>
    list(at(old, `spec.${name}`)).map((container) => {
      const sent = list(at(pod, `spec.${name}`)).find((one) => one['name'] === container['name']);
      const { resources, resizePolicy } = sent ?? container;
      return { ...container, ...(resources ? { resources } : {}), ...(resizePolicy ? { resizePolicy } : {}) };
    });
  const spec: JsonObject = { ...objectOf(old['spec']), containers: wanted('containers') };
  if (spec['initContainers']) spec['initContainers'] = wanted('initContainers');
  return { ...old, spec };
}

const field =
  (path: string) =>
  (pod: ApiObject): string =>
    text(at(pod, path));

export const podStrategy: Strategy = {
  generation: true,
  defaults: defaultPod,
  validate: podCauses,
  prepareCreate,
  graceSeconds,
  subresources: {
    binding: (pod) => pod,
    ephemeralcontainers: onlySpecField('ephemeralContainers'),
    resize,
  },
  fields: {
    'spec.nodeName': field('spec.nodeName'),
    'spec.host': field('spec.nodeName'),
    'spec.restartPolicy': field('spec.restartPolicy'),
    'spec.schedulerName': field('spec.schedulerName'),
    'spec.serviceAccountName': field('spec.serviceAccountName'),
    'spec.hostNetwork': (pod) => String(at(pod, 'spec.hostNetwork') === true),
    'status.phase': field('status.phase'),
    'status.podIP': (pod) => text(at(pod, 'status.podIP') ?? list(at(pod, 'status.podIPs'))[0]?.['ip']),
    'status.podIPs': (pod) =>
      list(at(pod, 'status.podIPs'))
        .map((one) => text(one['ip']))
        .join(','),
    'status.nominatedNodeName': field('status.nominatedNodeName'),
  },
  columns: podColumns,
};
