// DaemonSets, StatefulSets and the revisions that remember their templates: defaults, checks and columns.
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
import { forbiddenField, invalidValue, notSupported } from '../../rules/names.ts';
import { sameJson } from '../../rules/patch/merge.ts';
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

const strategies = ['OnDelete', 'RollingUpdate'];

function daemonUpdateCauses(spec: JsonObject): Cause[] {
  const path = 'spec.updateStrategy';
  const { type, rollingUpdate } = objectOf(spec['updateStrategy']);
  if (!strategies.includes(text(type))) return [notSupported(`${path}.type`, type, strategies)];
  if (!isObject(rollingUpdate)) return [];
  const { maxUnavailable, maxSurge } = rollingUpdate;
  const where = `${path}.rollingUpdate`;
  const both = isZero(maxUnavailable) === isZero(maxSurge);
  const why = isZero(maxSurge) ? 'cannot be 0 when maxSurge is 0' : 'may not be set when maxSurge is non-zero';
  return [
    ...countOrPercentCauses(maxUnavailable, `${where}.maxUnavailable`),
    ...atMostWhole(maxUnavailable, `${where}.maxUnavailable`),
    ...countOrPercentCauses(maxSurge, `${where}.maxSurge`),
    ...(both ? [invalidValue(`${where}.maxUnavailable`, maxUnavailable, why)] : []),
  ];
}

export const daemonSetStrategy: Strategy = {
  generation: true,
  defaults: (set) => {
    const spec = specOf(set);
    fill(spec, { updateStrategy: {}, revisionHistoryLimit: 10 });
    const strategy = objectOf(spec['updateStrategy']);
    strategy['type'] ||= 'RollingUpdate';
    if (strategy['type'] === 'RollingUpdate') {
      fill(strategy, { rollingUpdate: {} });
      fill(objectOf(strategy['rollingUpdate']), { maxUnavailable: 1, maxSurge: 0 });
    }
    defaultTemplate(set);
  },
  prepareCreate: (set) => {
    set['status'] = {
      ...{ currentNumberScheduled: 0, numberMisscheduled: 0 },
      ...{ desiredNumberScheduled: 0, numberReady: 0 },
    };
  },
  validate: (set, old, subresource) =>
    subresource === 'status'
      ? []
      : [
          ...workloadSelectorCauses(set, old),
          ...runningTemplateCauses(set),
          ...notNegative(at(set, 'spec.minReadySeconds'), 'spec.minReadySeconds'),
          ...daemonUpdateCauses(objectOf(set['spec'])),
        ],
  columns: [
    number('Desired', 'status.desiredNumberScheduled'),
    number('Current', 'status.currentNumberScheduled'),
    number('Ready', 'status.numberReady'),
    number('Up-to-date', 'status.updatedNumberScheduled'),
    number('Available', 'status.numberAvailable'),
    { name: 'Node Selector', cell: nodeSelector },
    ageColumn,
    ...containerColumns,
    selectorColumn,
  ],
};

function nodeSelector(set: ApiObject): string {
  const wanted = Object.entries(objectOf(at(set, 'spec.template.spec.nodeSelector')));
  return wanted.length === 0
    ? '<none>'
    : wanted
        .map(([key, value]) => `${key}=${text(value)}`)
        .sort()
        .join(',');
}

const mayChange = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

function fixedCauses(set: ApiObject, old: ApiObject | undefined): Cause[] {
  const fixed = (one: ApiObject): JsonObject =>
    Object.fromEntries(Object.entries(objectOf(one['spec'])).filter(([name]) => !mayChange.includes(name)));
  if (!old || sameJson(fixed(set), fixed(old))) return [];
  const names = mayChange.slice(0, -1).map((name) => `'${name}'`);
  const why = `updates to statefulset spec for fields other than ${names.join(', ')} and 'minReadySeconds' are forbidden`;
  return [forbiddenField('spec', why)];
}

function statefulCauses(set: ApiObject, old: ApiObject | undefined): Cause[] {
  const spec = objectOf(set['spec']);
  const policies = ['OrderedReady', 'Parallel'];
  const partition = at(spec, 'updateStrategy.rollingUpdate.partition');
  const { type } = objectOf(spec['updateStrategy']);
  return [
    ...(policies.includes(text(spec['podManagementPolicy']))
      ? []
      : [notSupported('spec.podManagementPolicy', spec['podManagementPolicy'], policies)]),
    ...(strategies.includes(text(type)) ? [] : [notSupported('spec.updateStrategy.type', type, strategies)]),
    ...notNegative(partition, 'spec.updateStrategy.rollingUpdate.partition'),
    ...notNegative(spec['replicas'], 'spec.replicas'),
    ...notNegative(at(spec, 'ordinals.start'), 'spec.ordinals.start'),
    ...notNegative(spec['minReadySeconds'], 'spec.minReadySeconds'),
    ...workloadSelectorCauses(set, undefined),
    ...runningTemplateCauses(set).filter(({ field }) => !isClaimMount(field)),
    ...fixedCauses(set, old),
  ];
}

/** Mounts of claims that come with each pod name volumes that the template does not have. */
const isClaimMount = (field: string): boolean => /\.volumeMounts\[\d+\]\.name$/.test(field);

function defaultClaim(claim: JsonObject): void {
  fill(claim, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', status: { phase: 'Pending' } });
  if (isObject(claim['spec'])) fill(claim['spec'], { volumeMode: 'Filesystem' });
}

export const statefulSetStrategy: Strategy = {
  generation: true,
  defaults: (set) => {
    const spec = specOf(set);
    fill(spec, {
      replicas: 1,
      podManagementPolicy: 'OrderedReady',
      updateStrategy: {},
      revisionHistoryLimit: 10,
      persistentVolumeClaimRetentionPolicy: {},
    });
    fill(objectOf(spec['persistentVolumeClaimRetentionPolicy']), { whenDeleted: 'Retain', whenScaled: 'Retain' });
    const strategy = objectOf(spec['updateStrategy']);
    strategy['type'] ||= 'RollingUpdate';
    if (strategy['type'] === 'RollingUpdate') {
      fill(strategy, { rollingUpdate: {} });
      fill(objectOf(strategy['rollingUpdate']), { partition: 0 });
    }
    for (const claim of list(spec['volumeClaimTemplates'])) defaultClaim(claim);
    defaultTemplate(set);
  },
  prepareCreate: (set) => {
    set['status'] = { replicas: 0, availableReplicas: 0 };
  },
  validate: (set, old, subresource) => (subresource === 'status' ? [] : statefulCauses(set, old)),
  scale: { selector: selectorText },
  columns: [
    {
      name: 'Ready',
      cell: (one) => `${Number(at(one, 'status.readyReplicas') ?? 0)}/${Number(at(one, 'spec.replicas') ?? 0)}`,
    },
    ageColumn,
    ...containerColumns,
  ],
};

export const controllerRevisionStrategy: Strategy = {
  validate: (one, old) => [
    ...notNegative(one['revision'], 'revision'),
    ...(old && !sameJson(one['data'], old['data']) ? [invalidValue('data', one['data'], 'field is immutable')] : []),
  ],
  columns: [
    {
      name: 'Controller',
      cell: ({ metadata }) => {
        const owner = metadata.ownerReferences?.find((one) => objectOf(one)['controller'] === true);
        if (!owner) return '<none>';
        const group = owner.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]}` : '';
        return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
      },
    },
    number('Revision', 'revision'),
    ageColumn,
  ],
};
