// Volumes, claims and classes, and the plain kinds beside them: defaults, checks and columns.
import { type ApiObject, at, type Cause, list, object as objectOf, text } from '../model.ts';
import { forbiddenField, invalidValue, notSupported, required } from '../rules/names.ts';
import { sameJson } from '../rules/patch/merge.ts';
import { ageColumn } from '../rules/table.ts';
import type { Column, Strategy } from './kind.ts';
import { fill } from './pod/defaults.ts';

const column = (name: string, cell: Column['cell'], priority = 0): Column => ({ name, cell, priority });
const field =
  (path: string): Column['cell'] =>
  (object) =>
    text(at(object, path));
const orNone =
  (path: string): Column['cell'] =>
  (object) =>
    text(at(object, path)) || '<none>';
const orUnset =
  (path: string): Column['cell'] =>
  (object) =>
    text(at(object, path)) || '<unset>';

const shortModes: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};
const modesOf = (value: unknown): string =>
  Array.isArray(value) ? value.map((one) => shortModes[text(one)] ?? '').join(',') : '';

function modeCauses(value: unknown): Cause[] {
  if (!Array.isArray(value) || value.length === 0)
    return [required('spec.accessModes', 'at least 1 access mode is required')];
  const bad = value.find((one) => !Object.hasOwn(shortModes, text(one)));
  return bad === undefined ? [] : [notSupported('spec.accessModes', bad, Object.keys(shortModes))];
}

/** The field of a claim's phase: upstream shows Terminating over everything else. */
const phase: Column['cell'] = (object) =>
  object.metadata.deletionTimestamp ? 'Terminating' : text(at(object, 'status.phase'));

const notSources = new Set([
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeAttributesClassName',
  'volumeMode',
]);
const policies = ['Delete', 'Recycle', 'Retain'];

export const volumeStrategy: Strategy = {
  defaults: (volume) => {
    const spec = objectOf(volume['spec']);
    volume['spec'] = spec;
    fill(spec, { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' });
    if (spec['hostPath']) fill(objectOf(spec['hostPath']), { type: '' });
  },
  prepareCreate: (volume) => {
    volume['status'] = { phase: 'Pending' };
  },
  validate: (volume, old) => {
    const spec = objectOf(volume['spec']);
    const sources = Object.keys(spec).filter((name) => !notSources.has(name));
    return [
      ...modeCauses(spec['accessModes']),
      ...(at(spec, 'capacity.storage') === undefined ? [required('spec.capacity')] : []),
      ...(sources.length === 0 ? [required('spec', 'must specify a volume type')] : []),
      ...sources.slice(1).map((name) => forbiddenField(`spec.${name}`, 'may not specify more than 1 volume type')),
      ...(policies.includes(text(spec['persistentVolumeReclaimPolicy']))
        ? []
        : [notSupported('spec.persistentVolumeReclaimPolicy', spec['persistentVolumeReclaimPolicy'], policies)]),
      ...(old &&
      !sameJson(
        sources.map((name) => spec[name]),
        sources.map((name) => at(old, `spec.${name}`)),
      )
        ? [forbiddenField('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation')]
        : []),
    ];
  },
  columns: [
    column('Capacity', field('spec.capacity.storage')),
    column('Access Modes', (volume) => modesOf(at(volume, 'spec.accessModes'))),
    column('Reclaim Policy', field('spec.persistentVolumeReclaimPolicy')),
    column('Status', phase),
    column('Claim', (volume) => {
      const { namespace, name } = objectOf(at(volume, 'spec.claimRef'));
      return name === undefined ? '' : `${text(namespace)}/${text(name)}`;
    }),
    column('StorageClass', field('spec.storageClassName')),
    column('VolumeAttributesClass', orUnset('spec.volumeAttributesClassName')),
    column('Reason', field('status.reason')),
    ageColumn,
    column('VolumeMode', orUnset('spec.volumeMode'), 1),
  ],
};

/** A bound claim may only grow. */
function claimUpdateCauses(claim: ApiObject, old: ApiObject): Cause[] {
  const kept = (object: ApiObject): unknown => {
    const { resources: _, volumeAttributesClassName: __, ...rest } = objectOf(object['spec']);
    return rest;
  };
  // The binder names the volume of a claim that has none.
  const named = at(old, 'spec.volumeName') ? old : { ...old, spec: { ...objectOf(old['spec']), ...bindingOf(claim) } };
  if (sameJson(kept(claim), kept(named))) return [];
  const why =
    'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
  return [forbiddenField('spec', why)];
}

const bindingOf = (claim: ApiObject): object => {
  const volumeName = at(claim, 'spec.volumeName');
  return volumeName === undefined ? {} : { volumeName };
};

export const claimStrategy: Strategy = {
  defaults: (claim) => {
    const spec = objectOf(claim['spec']);
    claim['spec'] = spec;
    fill(spec, { volumeMode: 'Filesystem' });
  },
  prepareCreate: (claim) => {
    claim['status'] = { phase: 'Pending' };
  },
  validate: (claim, old, subresource) => [
    ...modeCauses(at(claim, 'spec.accessModes')),
    ...(at(claim, 'spec.resources.requests.storage') === undefined ? [required('spec.resources[storage]')] : []),
    ...(old && subresource === '' ? claimUpdateCauses(claim, old) : []),
  ],
  columns: [
    column('Status', phase),
    column('Volume', field('spec.volumeName')),
    column('Capacity', (claim) => (at(claim, 'spec.volumeName') ? text(at(claim, 'status.capacity.storage')) : '')),
    column('Access Modes', (claim) => (at(claim, 'spec.volumeName') ? modesOf(at(claim, 'status.accessModes')) : '')),
    column('StorageClass', field('spec.storageClassName')),
    column('VolumeAttributesClass', orUnset('spec.volumeAttributesClassName')),
    ageColumn,
    column('VolumeMode', orUnset('spec.volumeMode'), 1),
  ],
};

export const storageClassStrategy: Strategy = {
  defaults: (one) => fill(one, { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' }),
  validate: (one) => (one['provisioner'] ? [] : [required('provisioner')]),
  columns: [
    column('Provisioner', field('provisioner')),
    column('ReclaimPolicy', field('reclaimPolicy')),
    column('VolumeBindingMode', field('volumeBindingMode')),
    { name: 'AllowVolumeExpansion', type: 'boolean', cell: (one) => one['allowVolumeExpansion'] === true },
    ageColumn,
  ],
};

export const csiDriverStrategy: Strategy = {
  generation: true,
  defaults: (driver) => {
    const spec = objectOf(driver['spec']);
    driver['spec'] = spec;
    fill(spec, {
      attachRequired: true,
      fsGroupPolicy: 'ReadWriteOnceWithFSType',
      podInfoOnMount: false,
      requiresRepublish: false,
      storageCapacity: false,
      volumeLifecycleModes: ['Persistent'],
      seLinuxMount: false,
    });
  },
  columns: [
    { name: 'AttachRequired', type: 'boolean', cell: (one) => at(one, 'spec.attachRequired') === true },
    { name: 'PodInfoOnMount', type: 'boolean', cell: (one) => at(one, 'spec.podInfoOnMount') === true },
    { name: 'StorageCapacity', type: 'boolean', cell: (one) => at(one, 'spec.storageCapacity') === true },
    column(
      'TokenRequests',
      (one) =>
        list(at(one, 'spec.tokenRequests'))
          .map((each) => text(each['audience']))
          .join(',') || '<unset>',
    ),
    { name: 'RequiresRepublish', type: 'boolean', cell: (one) => at(one, 'spec.requiresRepublish') === true },
    column('Modes', (one) =>
      Array.isArray(at(one, 'spec.volumeLifecycleModes'))
        ? (at(one, 'spec.volumeLifecycleModes') as unknown[]).join(',')
        : '',
    ),
    ageColumn,
  ],
};

export const csiNodeStrategy: Strategy = {
  defaults: (node) => {
    const spec = objectOf(node['spec']);
    node['spec'] = spec;
    fill(spec, { drivers: [] });
  },
  columns: [{ name: 'Drivers', type: 'integer', cell: (node) => list(at(node, 'spec.drivers')).length }, ageColumn],
};

export const volumeAttachmentStrategy: Strategy = {
  prepareCreate: (one) => {
    one['status'] = { attached: false };
  },
  columns: [
    column('Attacher', field('spec.attacher')),
    column('PV', orNone('spec.source.persistentVolumeName')),
    column('Node', field('spec.nodeName')),
    { name: 'Attached', type: 'boolean', cell: (one) => at(one, 'status.attached') === true },
    ageColumn,
  ],
};

export const priorityClassStrategy: Strategy = {
  generation: true,
  defaults: (one) => fill(one, { preemptionPolicy: 'PreemptLowerPriority', value: 0 }),
  validate: (one, old) => {
    const { name } = one.metadata;
    if (old && old['value'] !== one['value']) return [forbiddenField('value', 'may not be changed in an update.')];
    const isSystem = name === 'system-node-critical' || name === 'system-cluster-critical';
    if (name.startsWith('system-') && !isSystem)
      return [
        forbiddenField('metadata.name', "priority class names with 'system-' prefix are reserved for system use only"),
      ];
    return Number(one['value']) > 1_000_000_000 && !isSystem
      ? [forbiddenField('value', 'maximum allowed value of a user defined priority is 1000000000')]
      : [];
  },
  columns: [
    { name: 'Value', type: 'integer', cell: (one) => Number(one['value'] ?? 0) },
    { name: 'Global-Default', type: 'boolean', cell: (one) => one['globalDefault'] === true },
    ageColumn,
    column('PreemptionPolicy', field('preemptionPolicy')),
  ],
};

export const runtimeClassStrategy: Strategy = {
  validate: (one, old) => {
    if (!one['handler']) return [required('handler')];
    return old && old['handler'] !== one['handler']
      ? [invalidValue('handler', one['handler'], 'field is immutable')]
      : [];
  },
  columns: [column('Handler', field('handler')), ageColumn],
};

const orNotApplicable =
  (path: string): Column['cell'] =>
  (one) =>
    text(at(one, path)) || 'N/A';

export const budgetStrategy: Strategy = {
  generation: true,
  prepareCreate: (budget) => {
    budget['status'] = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  },
  columns: [
    column('Min Available', orNotApplicable('spec.minAvailable')),
    column('Max Unavailable', orNotApplicable('spec.maxUnavailable')),
    { name: 'Allowed Disruptions', type: 'integer', cell: (one) => Number(at(one, 'status.disruptionsAllowed') ?? 0) },
    ageColumn,
  ],
};
