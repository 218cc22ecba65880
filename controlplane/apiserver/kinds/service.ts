// Services, endpoints and slices: defaults, checks and columns. Addresses and ports are taken by admission.
import { type ApiObject, at, type Cause, type JsonObject, list, object as objectOf, text } from '../model.ts';
import {
  duplicate,
  forbiddenField,
  invalidValue,
  labelCauses,
  nameProblems,
  notSupported,
  required,
} from '../rules/names.ts';
import { ageColumn } from '../rules/table.ts';
import type { Column, Strategy } from './kind.ts';
import { fill } from './pod/defaults.ts';
import { portReference } from './pod/validation.ts';

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const orNone = (value: unknown): string => text(value) || '<none>';

const isExternal = (spec: JsonObject): boolean => spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer';

function defaults(service: ApiObject): void {
  const spec = objectOf(service['spec']);
  service['spec'] = spec;
  fill(spec, { sessionAffinity: 'None', type: 'ClusterIP' });
  if (spec['sessionAffinity'] === 'ClientIP')
    fill(spec, { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } } });
  else delete spec['sessionAffinityConfig'];
  for (const port of list(spec['ports'])) fill(port, { protocol: 'TCP', targetPort: port['port'] });
  if (spec['type'] !== 'ExternalName') fill(spec, { internalTrafficPolicy: 'Cluster' });
  const reachable = isExternal(spec) || list(spec['externalIPs']).length > 0;
  if (reachable) fill(spec, { externalTrafficPolicy: 'Cluster' });
  else delete spec['externalTrafficPolicy'];
  if (spec['type'] === 'LoadBalancer') fill(spec, { allocateLoadBalancerNodePorts: true });
  else delete spec['allocateLoadBalancerNodePorts'];
}

function portCauses(ports: JsonObject[]): Cause[] {
  const names = new Set<string>();
  const numbers = new Set<string>();
  return ports.flatMap((port, index) => {
    const path = `spec.ports[${index}]`;
    const name = text(port['name']);
    const number = Number(port['port'] ?? 0);
    const key = `${text(port['protocol'])}/${number}`;
    const causes: Cause[] = [];
    if (name === '' && ports.length > 1) causes.push(required(`${path}.name`));
    else if (name !== '')
      causes.push(...nameProblems(name, 'label').map((problem) => invalidValue(`${path}.name`, name, problem)));
    if (name !== '' && names.has(name)) causes.push(duplicate(`${path}.name`, name));
    if (number < 1 || number > 65_535)
      causes.push(invalidValue(`${path}.port`, number, 'must be between 1 and 65535, inclusive'));
    if (!['TCP', 'UDP', 'SCTP'].includes(text(port['protocol'])))
      causes.push(notSupported(`${path}.protocol`, port['protocol'], ['SCTP', 'TCP', 'UDP']));
    causes.push(...portReference(port['targetPort'], `${path}.targetPort`));
    if (numbers.has(key)) causes.push(duplicatePort(path, port));
    names.add(name);
    numbers.add(key);
    return causes;
  });
}

const duplicatePort = (path: string, { port, protocol }: JsonObject): Cause => ({
  ...duplicate(path, ''),
  message: `Duplicate value: {"port":${text(port)},"protocol":${JSON.stringify(protocol)}}`,
});

function addressCauses(spec: JsonObject, old: JsonObject | undefined): Cause[] {
  const ip = text(spec['clusterIP']);
  if (spec['type'] === 'ExternalName') {
    return ip === '' || ip === 'None'
      ? []
      : [invalidValue('spec.clusterIPs', [ip], 'may not be set for ExternalName services')];
  }
  const before = text(old?.['clusterIP']);
  const changed = old !== undefined && old['type'] !== 'ExternalName' && before !== '' && ip !== before;
  if (changed) return [invalidValue('spec.clusterIPs[0]', ip, 'may not change once set')];
  if (ip === 'None' && isExternal(spec))
    return [invalidValue('spec.clusterIPs[0]', ip, `may not be set to 'None' for ${text(spec['type'])} services`)];
  return [];
}

function nodePortCauses(spec: JsonObject): Cause[] {
  if (isExternal(spec)) return [];
  return list(spec['ports']).flatMap((port, index) =>
    port['nodePort']
      ? [forbiddenField(`spec.ports[${index}].nodePort`, "may not be used when `type` is 'ClusterIP'")]
      : [],
  );
}

function validate(service: ApiObject, old: ApiObject | undefined): Cause[] {
  const spec = objectOf(service['spec']);
  const ports = list(spec['ports']);
  const isNameOnly = spec['type'] === 'ExternalName';
  const isHeadless = spec['clusterIP'] === 'None';
  return [
    ...(types.includes(text(spec['type'])) ? [] : [notSupported('spec.type', spec['type'], types)]),
    ...(ports.length === 0 && !isNameOnly && !isHeadless ? [required('spec.ports')] : []),
    ...portCauses(ports),
    ...addressCauses(spec, old && objectOf(old['spec'])),
    ...nodePortCauses(spec),
    ...labelCauses(objectOf(spec['selector']) as Record<string, string>, 'spec.selector'),
    ...(isNameOnly ? externalNameCauses(text(spec['externalName'])) : []),
    ...(['None', 'ClientIP'].includes(text(spec['sessionAffinity']))
      ? []
      : [notSupported('spec.sessionAffinity', spec['sessionAffinity'], ['ClientIP', 'None'])]),
  ];
}

function externalNameCauses(name: string): Cause[] {
  if (name === '') return [required('spec.externalName')];
  return nameProblems(name.replace(/\.$/, ''), 'subdomain').map((problem) =>
    invalidValue('spec.externalName', name, problem),
  );
}

function externalIps(service: ApiObject): string {
  const spec = objectOf(service['spec']);
  const extra = (Array.isArray(spec['externalIPs']) ? spec['externalIPs'] : []).map(String);
  if (spec['type'] === 'ExternalName') return orNone(spec['externalName']);
  if (spec['type'] !== 'LoadBalancer') return orNone(extra.join(','));
  const given = list(at(service, 'status.loadBalancer.ingress')).map((one) => text(one['ip'] ?? one['hostname']));
  return [...given, ...extra].join(',') || '<pending>';
}

function portText({ port, nodePort, protocol }: JsonObject): string {
  return nodePort ? `${text(port)}:${text(nodePort)}/${text(protocol)}` : `${text(port)}/${text(protocol)}`;
}

export const selectorText = (labels: unknown): string =>
  orNone(
    Object.entries(objectOf(labels))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${text(value)}`)
      .join(','),
  );

const column = (name: string, cell: Column['cell'], priority = 0): Column => ({ name, cell, priority });

export const serviceStrategy: Strategy = {
  names: 'label1035',
  defaults,
  validate,
  prepareCreate: (service) => {
    service['status'] = { loadBalancer: {} };
  },
  prepareUpdate: keepAddresses,
  fields: {
    'spec.clusterIP': (service) => text(at(service, 'spec.clusterIP')),
    'spec.type': (service) => text(at(service, 'spec.type')),
  },
  columns: [
    column('Type', (service) => text(at(service, 'spec.type'))),
    column('Cluster-IP', (service) => orNone(at(service, 'spec.clusterIP'))),
    column('External-IP', externalIps),
    column('Port(s)', (service) => orNone(list(at(service, 'spec.ports')).map(portText).join(','))),
    ageColumn,
    column('Selector', (service) => selectorText(at(service, 'spec.selector')), 1),
  ],
};

/** An update that does not speak of what was given to the service keeps it. */
function keepAddresses(service: ApiObject, old: ApiObject): void {
  const spec = objectOf(service['spec']);
  const before = objectOf(old['spec']);
  if (spec['type'] === 'ExternalName') {
    dropAddresses(spec, before);
    return;
  }
  for (const name of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) {
    if (spec[name] === undefined && before[name] !== undefined) spec[name] = before[name];
  }
  if (!isExternal(spec)) {
    // A node port that the old type had goes with the type.
    for (const port of list(spec['ports']))
      if (isExternal(before) && hadNodePort(before, port)) delete port['nodePort'];
    return;
  }
  for (const port of list(spec['ports'])) {
    const same = list(before['ports']).find(
      (one) => one['port'] === port['port'] && (one['protocol'] ?? 'TCP') === (port['protocol'] ?? 'TCP'),
    );
    if (!port['nodePort'] && same?.['nodePort']) port['nodePort'] = same['nodePort'];
  }
}

const hadNodePort = (spec: JsonObject, port: JsonObject): boolean =>
  list(spec['ports']).some((one) => one['nodePort'] === port['nodePort']);

function dropAddresses(spec: JsonObject, before: JsonObject): void {
  if (spec['clusterIP'] !== before['clusterIP']) return;
  for (const name of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) delete spec[name];
}

/** "10.0.0.1:80,10.0.0.2:80 + 3 more...", as kubectl shows endpoints. */
function endpointsText(endpoints: ApiObject): string {
  const all = list(endpoints['subsets']).flatMap((subset) => {
    const ports = list(subset['ports']);
    const addresses = list(subset['addresses']).map((one) => text(one['ip']));
    return ports.length === 0 ? addresses : ports.flatMap(({ port }) => addresses.map((ip) => `${ip}:${text(port)}`));
  });
  return shortened(all);
}

function shortened(all: readonly string[]): string {
  if (all.length === 0) return '<none>';
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : all.join(',');
}

export const endpointsStrategy: Strategy = {
  defaults: (endpoints) => {
    for (const subset of list(endpoints['subsets']))
      for (const port of list(subset['ports'])) fill(port, { protocol: 'TCP' });
  },
  columns: [column('Endpoints', endpointsText), ageColumn],
};

const unset = '<unset>';

export const endpointSliceStrategy: Strategy = {
  generation: true,
  defaults: (slice) => {
    for (const port of list(slice['ports'])) fill(port, { name: '', protocol: 'TCP' });
  },
  validate: (slice, old) => {
    const family = slice['addressType'];
    const families = ['FQDN', 'IPv4', 'IPv6'];
    if (family === undefined) return [required('addressType')];
    if (old && old['addressType'] !== family) return [invalidValue('addressType', family, 'field is immutable')];
    const causes = families.includes(text(family)) ? [] : [notSupported('addressType', family, families)];
    return [
      ...causes,
      ...list(slice['endpoints']).flatMap((one, index) =>
        Array.isArray(one['addresses']) && one['addresses'].length > 0
          ? []
          : [required(`endpoints[${index}].addresses`, 'must contain at least 1 address')],
      ),
    ];
  },
  columns: [
    column('AddressType', (slice) => text(slice['addressType'])),
    column('Ports', (slice) =>
      Array.isArray(slice['ports']) && slice['ports'].length > 0
        ? shortened(list(slice['ports']).map((one) => text(one['port']) || '*'))
        : unset,
    ),
    column('Endpoints', (slice) => {
      const addresses = list(slice['endpoints']).flatMap((one) =>
        Array.isArray(one['addresses']) ? one['addresses'].map(String) : [],
      );
      return addresses.length === 0 ? unset : shortened(addresses);
    }),
    ageColumn,
  ],
};

export { isExternal as hasNodePorts };
