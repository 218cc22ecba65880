// Deployments, ReplicaSets and ReplicationControllers: defaults, checks and columns.
import { formatSelector, matchesLabels, selectorOf } from '../../../../kube/selectors.ts';
import { type ApiObject, at, type Cause, isObject, type JsonObject, object as objectOf, text } from '../../model.ts';
import { forbiddenField, invalidValue, notSupported, required } from '../../rules/names.ts';
import { ageColumn } from '../../rules/table.ts';
import type { Strategy } from '../kind.ts';
import { fill } from '../pod/defaults.ts';
import {
  atMostWhole,
  containerColumns,
  countOrPercentCauses,
  defaultTemplate,
  isZero,
  notNegative,
  number,
  runningTemplateCauses,
  selectorColumn,
  selectorText,
  specOf,
  workloadSelectorCauses,
} from './template.ts';

function strategyCauses(spec: JsonObject): Cause[] {
  const path = 'spec.strategy';
  const { type, rollingUpdate } = objectOf(spec['strategy']);
  if (type === 'Recreate') {
    const why = "may not be specified when strategy `type` is 'Recreate'";
    return rollingUpdate === undefined ? [] : [forbiddenField(`${path}.rollingUpdate`, why)];
  }
  if (type !== 'RollingUpdate') return [notSupported(path, type, ['Recreate', 'RollingUpdate'])];
  if (!isObject(rollingUpdate)) return [required(`${path}.rollingUpdate`, 'this should be defaulted and never be nil')];
  return rollingUpdateCauses(rollingUpdate, `${path}.rollingUpdate`);
}

function rollingUpdateCauses({ maxSurge, maxUnavailable }: JsonObject, path: string): Cause[] {
  const both = 'may not be 0 when `maxSurge` is 0';
  return [
    ...countOrPercentCauses(maxUnavailable, `${path}.maxUnavailable`),
    ...countOrPercentCauses(maxSurge, `${path}.maxSurge`),
    ...(isZero(maxUnavailable) && isZero(maxSurge)
      ? [invalidValue(`${path}.maxUnavailable`, maxUnavailable, both)]
      : []),
    ...atMostWhole(maxUnavailable, `${path}.maxUnavailable`),
  ];
}

function deploymentCauses(deployment: ApiObject, old: ApiObject | undefined, subresource: string): Cause[] {
  if (subresource === 'status') return [];
  const spec = objectOf(deployment['spec']);
  const deadline = spec['progressDeadlineSeconds'];
  const late = deadline !== undefined && Number(deadline) <= Number(spec['minReadySeconds'] ?? 0);
  return [
    ...notNegative(spec['replicas'], 'spec.replicas'),
    ...workloadSelectorCauses(deployment, old),
    ...runningTemplateCauses(deployment),
    ...strategyCauses(spec),
    ...notNegative(spec['minReadySeconds'], 'spec.minReadySeconds'),
    ...notNegative(spec['revisionHistoryLimit'], 'spec.revisionHistoryLimit'),
    ...notNegative(deadline, 'spec.progressDeadlineSeconds'),
    ...(late ? [invalidValue('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds')] : []),
  ];
}

export const deploymentStrategy: Strategy = {
  generation: true,
  defaults: (deployment) => {
    const spec = specOf(deployment);
    fill(spec, { replicas: 1, strategy: {}, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
    const strategy = objectOf(spec['strategy']);
    strategy['type'] ||= 'RollingUpdate';
    if (strategy['type'] === 'RollingUpdate') {
      fill(strategy, { rollingUpdate: {} });
      fill(objectOf(strategy['rollingUpdate']), { maxUnavailable: '25%', maxSurge: '25%' });
    }
    defaultTemplate(deployment);
  },
  prepareCreate: (deployment) => {
    deployment['status'] = {};
  },
  validate: deploymentCauses,
  scale: { selector: selectorText },
  columns: [
    {
      name: 'Ready',
      cell: (one) => `${Number(at(one, 'status.readyReplicas') ?? 0)}/${Number(at(one, 'spec.replicas') ?? 0)}`,
    },
    number('Up-to-date', 'status.updatedReplicas'),
    number('Available', 'status.availableReplicas'),
    ageColumn,
    ...containerColumns,
    selectorColumn,
  ],
};

const replicaColumns = [
  number('Desired', 'spec.replicas'),
  number('Current', 'status.replicas'),
  number('Ready', 'status.readyReplicas'),
  ageColumn,
  ...containerColumns,
];

const replicasField = { 'status.replicas': (one: ApiObject) => text(at(one, 'status.replicas') ?? 0) };

export const replicaSetStrategy: Strategy = {
  generation: true,
  defaults: (set) => {
    fill(specOf(set), { replicas: 1 });
    defaultTemplate(set);
  },
  prepareCreate: (set) => {
    set['status'] = { replicas: 0 };
  },
  validate: (set, old, subresource) =>
    subresource === 'status'
      ? []
      : [
          ...notNegative(at(set, 'spec.replicas'), 'spec.replicas'),
          ...notNegative(at(set, 'spec.minReadySeconds'), 'spec.minReadySeconds'),
          ...workloadSelectorCauses(set, old),
          ...runningTemplateCauses(set),
        ],
  scale: { selector: selectorText },
  fields: replicasField,
  columns: [...replicaColumns, selectorColumn],
};

const equalities = (one: ApiObject): Record<string, string> =>
  objectOf(at(one, 'spec.selector')) as Record<string, string>;

const controllerSelectorText = (one: ApiObject): string =>
  formatSelector(selectorOf({ matchLabels: equalities(one) })) || '<none>';

function controllerSelectorCauses(controller: ApiObject): Cause[] {
  const matchLabels = equalities(controller);
  if (Object.keys(matchLabels).length === 0) return [required('spec.selector')];
  const labels = objectOf(at(controller, 'spec.template.metadata.labels')) as Record<string, string>;
  return matchesLabels(selectorOf({ matchLabels }), labels)
    ? []
    : [invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')];
}

export const replicationControllerStrategy: Strategy = {
  generation: true,
  // As it was before owners were known: deleting through this version keeps the pods.
  orphansDependents: true,
  defaults: (controller) => {
    const spec = specOf(controller);
    fill(spec, { replicas: 1 });
    const labels = objectOf(at(spec, 'template.metadata.labels'));
    if (Object.keys(labels).length > 0) {
      if (Object.keys(equalities(controller)).length === 0) spec['selector'] = labels;
      if (Object.keys(controller.metadata.labels ?? {}).length === 0)
        controller.metadata.labels = labels as Record<string, string>;
    }
    defaultTemplate(controller);
  },
  prepareCreate: (controller) => {
    controller['status'] = { replicas: 0 };
  },
  validate: (controller, _, subresource) =>
    subresource === 'status'
      ? []
      : [
          ...notNegative(at(controller, 'spec.replicas'), 'spec.replicas'),
          ...notNegative(at(controller, 'spec.minReadySeconds'), 'spec.minReadySeconds'),
          ...controllerSelectorCauses(controller),
          ...runningTemplateCauses(controller),
        ],
  scale: { selector: controllerSelectorText },
  fields: replicasField,
  columns: [...replicaColumns, { name: 'Selector', priority: 1, cell: controllerSelectorText }],
};
