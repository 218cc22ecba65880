// Namespaces, nodes, configuration and accounts: how they differ, and what kubectl shows of them.
import {
  type ApiObject,
  at,
  type Cause,
  isObject,
  type JsonObject,
  list,
  object as objectOf,
  put,
  text,
} from '../model.ts';
import { forbiddenField, invalidValue, notSupported, required, tooLong } from '../rules/names.ts';
import { sameJson } from '../rules/patch/merge.ts';
import { age, ageColumn } from '../rules/table.ts';
import type { Column, Strategy } from './kind.ts';

const orNone = (value: unknown): string => text(value) || '<none>';
const column = (name: string, cell: Column['cell'], priority = 0): Column => ({ name, cell, priority });
const field =
  (path: string) =>
  (object: ApiObject): string =>
    text(at(object, path));

export const namespaceStrategy: Strategy = {
  names: 'label',
  defaults: (namespace) => {
    // Upstream labels each namespace with its own name, so that selectors can find one.
    const { metadata } = namespace;
    if (metadata.name) metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name };
  },
  prepareCreate: (namespace) => {
    const finalizers = list(at(namespace, 'spec.finalizers')).map(String);
    if (!finalizers.includes('kubernetes')) finalizers.push('kubernetes');
    namespace['spec'] = { ...objectOf(namespace['spec']), finalizers };
    namespace['status'] = { phase: 'Active' };
  },
  prepareUpdate: (namespace, old) => {
    const finalizers = at(old, 'spec.finalizers');
    namespace['spec'] = { ...objectOf(namespace['spec']), ...(finalizers === undefined ? {} : { finalizers }) };
  },
  subresources: {
    finalize: (namespace, old) => ({ ...old, metadata: namespace.metadata, spec: objectOf(namespace['spec']) }),
  },
  fields: { 'status.phase': field('status.phase') },
  columns: [column('Status', field('status.phase')), ageColumn],
};

function nodeStatus(node: ApiObject): string {
  const ready = list(at(node, 'status.conditions')).find(({ type }) => type === 'Ready');
  const word = ready ? (ready['status'] === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  return at(node, 'spec.unschedulable') === true ? `${word},SchedulingDisabled` : word;
}

function nodeRoles({ metadata }: ApiObject): string {
  const labels = Object.entries(metadata.labels ?? {});
  const roles = labels.flatMap(([key, value]) => {
    if (key.startsWith('node-role.kubernetes.io/')) return key.slice('node-role.kubernetes.io/'.length) || [];
    return key === 'kubernetes.io/role' && value !== '' ? value : [];
  });
  return orNone([...new Set(roles)].sort().join(','));
}

const addressOf =
  (type: string) =>
  (node: ApiObject): string =>
    orNone(list(at(node, 'status.addresses')).find((one) => one['type'] === type)?.['address']);
const info =
  (name: string): Column['cell'] =>
  (node) =>
    text(at(node, `status.nodeInfo.${name}`)) || '<unknown>';

export const nodeStrategy: Strategy = {
  bornWithStatus: true,
  validate: (node) =>
    list(at(node, 'spec.taints')).flatMap((taint, index) => taintCauses(taint, `spec.taints[${index}]`)),
  fields: { 'spec.unschedulable': (node) => String(at(node, 'spec.unschedulable') === true) },
  columns: [
    column('Status', nodeStatus),
    column('Roles', nodeRoles),
    ageColumn,
    column('Version', field('status.nodeInfo.kubeletVersion')),
    column('Internal-IP', addressOf('InternalIP'), 1),
    column('External-IP', addressOf('ExternalIP'), 1),
    column('OS-Image', info('osImage'), 1),
    column('Kernel-Version', info('kernelVersion'), 1),
    column('Container-Runtime', info('containerRuntimeVersion'), 1),
  ],
};

function taintCauses(taint: JsonObject, path: string): Cause[] {
  const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
  return [
    ...(taint['key'] ? [] : [required(`${path}.key`)]),
    ...(effects.includes(text(taint['effect']))
      ? []
      : [notSupported(`${path}.effect`, taint['effect'] ?? '', effects)]),
  ];
}

const maxDataBytes = 1024 * 1024;
const dataKey = /^[-._a-zA-Z0-9]+$/;
const keyText =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

function dataCauses(object: ApiObject, fields: readonly string[]): Cause[] {
  let size = 0;
  const causes = fields.flatMap((name) =>
    Object.entries(objectOf(object[name])).flatMap(([key, value]) => {
      size += text(value).length;
      const below = `${name}[${key}]`;
      if (key === '.' || key === '..') return [invalidValue(below, key, `must not be '${key}'`)];
      return dataKey.test(key) && key.length <= 253 ? [] : [invalidValue(below, key, keyText)];
    }),
  );
  return size > maxDataBytes ? [...causes, tooLong('data', maxDataBytes)] : causes;
}

function immutableCauses(object: ApiObject, old: ApiObject | undefined, fields: readonly string[]): Cause[] {
  if (old?.['immutable'] !== true) return [];
  const why = 'field is immutable when `immutable` is set';
  const changed = fields.filter((name) => !sameJson(object[name], old[name])).map((name) => forbiddenField(name, why));
  return object['immutable'] === true ? changed : [...changed, forbiddenField('immutable', why)];
}

const countOf = (object: ApiObject, fields: readonly string[]): number =>
  fields.reduce((sum, name) => sum + Object.keys(objectOf(object[name])).length, 0);

export const configMapStrategy: Strategy = {
  validate: (object, old) => [
    ...immutableCauses(object, old, ['data', 'binaryData']),
    ...dataCauses(object, ['data', 'binaryData']),
    ...Object.keys(objectOf(object['binaryData']))
      .filter((key) => Object.hasOwn(objectOf(object['data']), key))
      .map((key) => invalidValue(`data[${key}]`, key, 'duplicate of key present in binaryData')),
  ],
  columns: [{ name: 'Data', type: 'integer', cell: (one) => countOf(one, ['data', 'binaryData']) }, ageColumn],
};

/** Keys that a type of Secret must have. */
const secretKeys: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};

export const secretStrategy: Strategy = {
  defaults: (secret) => {
    secret['type'] ||= 'Opaque';
    const plain = secret['stringData'];
    if (!isObject(plain)) return;
    const data = { ...objectOf(secret['data']) };
    for (const [key, value] of Object.entries(plain)) put(data, key, Buffer.from(text(value)).toString('base64'));
    secret['data'] = data;
    delete secret['stringData'];
  },
  validate: (secret, old) => [
    ...immutableCauses(secret, old, ['data']),
    ...(old && old['type'] !== secret['type'] ? [invalidValue('type', secret['type'], 'field is immutable')] : []),
    ...dataCauses(secret, ['data']),
    ...(secretKeys[text(secret['type'])] ?? [])
      .filter((key) => !Object.hasOwn(objectOf(secret['data']), key))
      .map((key) => required(`data[${key}]`)),
  ],
  fields: { type: (secret) => text(secret['type']) },
  columns: [
    column('Type', (secret) => text(secret['type'])),
    { name: 'Data', type: 'integer', cell: (one) => countOf(one, ['data']) },
    ageColumn,
  ],
};

export const serviceAccountStrategy: Strategy = {
  columns: [{ name: 'Secrets', type: 'integer', cell: (one) => list(one['secrets']).length }, ageColumn],
};

export const leaseStrategy: Strategy = {
  validate: (lease) => {
    const seconds = at(lease, 'spec.leaseDurationSeconds');
    const bad = seconds !== undefined && Number(seconds) <= 0;
    return bad ? [invalidValue('spec.leaseDurationSeconds', seconds, 'must be greater than 0')] : [];
  },
  columns: [column('Holder', field('spec.holderIdentity')), ageColumn],
};

const kindName = (event: ApiObject): string => {
  const { kind, name } = objectOf(event['involvedObject'] ?? event['regarding']);
  return text(name) === '' ? text(kind).toLowerCase() : `${text(kind).toLowerCase()}/${text(name)}`;
};

function lastSeen(event: ApiObject, nowMs: number): string {
  const series = at(event, 'series.lastObservedTime');
  const last = series ?? event['lastTimestamp'] ?? event['eventTime'] ?? event['firstTimestamp'];
  return age(last, nowMs);
}

const firstSeen = (event: ApiObject, nowMs: number): string =>
  age(event['firstTimestamp'] ?? event['eventTime'], nowMs);
const sourceOf = (event: ApiObject): string => {
  const { component, host } = objectOf(event['source']);
  const names = [text(component) || text(event['reportingComponent']), text(host) || text(event['reportingInstance'])];
  return names.filter((one) => one !== '').join(', ');
};

const hourSeconds = 3600;
const involved = (name: string): [string, (event: ApiObject) => string] => [
  `involvedObject.${name}`,
  (event) => text(at(event, `involvedObject.${name}`)),
];

export const eventStrategy: Strategy = {
  ttlSeconds: hourSeconds,
  fields: {
    ...Object.fromEntries(
      ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(involved),
    ),
    reason: (event) => text(event['reason']),
    reportingComponent: (event) => text(event['reportingComponent']),
    source: (event) => text(at(event, 'source.component') ?? event['reportingComponent']),
    type: (event) => text(event['type']),
  },
  columns: [
    column('Last Seen', lastSeen),
    column('Type', (event) => text(event['type'])),
    column('Reason', (event) => text(event['reason'])),
    column('Object', kindName),
    column('Subobject', (event) => text(at(event, 'involvedObject.fieldPath')), 1),
    column('Source', sourceOf, 1),
    column('Message', (event) => text(event['message']).trim()),
    column('First Seen', firstSeen, 1),
    {
      name: 'Count',
      type: 'integer',
      priority: 1,
      cell: (event) => Number(at(event, 'series.count') ?? event['count'] ?? 1),
    },
    { name: 'Name', format: 'name', priority: 1, cell: ({ metadata }) => metadata.name },
    column('Name', ({ metadata }) => metadata.name, 1),
  ],
};
