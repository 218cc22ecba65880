// Checks a pod as upstream does, with upstream's field paths and words, for what people get wrong most. Pure.
import { compareQuantities, parseQuantity, tryParseQuantity } from '../../../../kube/quantity.ts';
import { type ApiObject, type Cause, isObject, type JsonObject, list, object as objectOf, text } from '../../model.ts';
import {
  duplicate,
  forbiddenField,
  invalidValue,
  keyProblems,
  nameProblems,
  notFoundValue,
  notSupported,
  required,
  tooLong,
} from '../../rules/names.ts';
import { updateCauses } from './update.ts';
import { volumeCauses } from './volumes.ts';

type Check = (value: JsonObject, path: string) => Cause[];

const each = (value: unknown, path: string, check: Check): Cause[] =>
  list(value).flatMap((one, index) => check(one, `${path}[${index}]`));

const oneOf = (value: unknown, path: string, supported: readonly string[]): Cause[] =>
  value === undefined || supported.includes(text(value))
    ? []
    : [value === '' ? required(path) : notSupported(path, value, supported)];

const notNegative = (value: unknown, path: string): Cause[] =>
  value !== undefined && Number(value) < 0 ? [invalidValue(path, value, 'must be greater than or equal to 0')] : [];

const rangeText = 'must be between 1 and 65535, inclusive';
const portNumber = (value: unknown, path: string): Cause[] =>
  Number(value) >= 1 && Number(value) <= 65535 ? [] : [invalidValue(path, value ?? 0, rangeText)];

/** An IANA service name, as named ports are. */
export function portNameProblems(name: string): string[] {
  const problems: string[] = [];
  if (name.length > 15) problems.push('must be no more than 15 characters');
  if (!/^[a-z0-9-]+$/.test(name))
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(name)) problems.push('must contain at least one letter (a-z)');
  if (name.includes('--')) problems.push('must not contain consecutive hyphens');
  if (name.startsWith('-') || name.endsWith('-')) problems.push('must not begin or end with a hyphen');
  return problems;
}

export function portReference(value: unknown, path: string): Cause[] {
  if (typeof value === 'number') return portNumber(value, path);
  return portNameProblems(text(value)).map((problem) => invalidValue(path, value ?? '', problem));
}

const protocols = ['TCP', 'UDP', 'SCTP'];

function portCauses(ports: unknown, path: string): Cause[] {
  const names = new Set<string>();
  return each(ports, path, (port, at) => {
    const name = text(port['name']);
    const isRepeated = name !== '' && names.has(name);
    names.add(name);
    return [
      ...(name === '' ? [] : portNameProblems(name).map((problem) => invalidValue(`${at}.name`, name, problem))),
      ...(isRepeated ? [duplicate(`${at}.name`, name)] : []),
      ...(port['containerPort'] === undefined || port['containerPort'] === 0
        ? [required(`${at}.containerPort`)]
        : portNumber(port['containerPort'], `${at}.containerPort`)),
      ...(port['hostPort'] ? portNumber(port['hostPort'], `${at}.hostPort`) : []),
      ...oneOf(port['protocol'], `${at}.protocol`, protocols),
    ];
  });
}

const envName = /^[ -<>-~]+$/;

function envCauses(env: unknown, path: string): Cause[] {
  return each(env, path, (variable, at) => {
    const name = text(variable['name']);
    const from = variable['valueFrom'];
    const bad = "a valid environment variable name must consist only of printable ASCII characters other than '='";
    const nameCauses =
      name === '' ? [required(`${at}.name`)] : envName.test(name) ? [] : [invalidValue(`${at}.name`, name, bad)];
    if (!isObject(from)) return nameCauses;
    const sources = Object.keys(from).length;
    if (variable['value'])
      nameCauses.push(invalidValue(`${at}.valueFrom`, '', 'may not be specified when `value` is not empty'));
    if (sources === 0)
      nameCauses.push(
        invalidValue(
          `${at}.valueFrom`,
          '',
          'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
        ),
      );
    if (sources > 1)
      nameCauses.push(invalidValue(`${at}.valueFrom`, '', 'may not have more than one field specified at a time'));
    for (const reference of ['configMapKeyRef', 'secretKeyRef']) {
      const one = from[reference];
      if (!isObject(one)) continue;
      if (!one['name']) nameCauses.push(required(`${at}.valueFrom.${reference}.name`));
      if (!one['key']) nameCauses.push(required(`${at}.valueFrom.${reference}.key`));
    }
    return nameCauses;
  });
}

function mountCauses(container: JsonObject, path: string, volumes: ReadonlySet<string>): Cause[] {
  const paths = new Set<string>();
  return each(container['volumeMounts'], `${path}.volumeMounts`, (mount, at) => {
    const name = text(mount['name']);
    const where = text(mount['mountPath']);
    const isRepeated = where !== '' && paths.has(where);
    paths.add(where);
    const subPath = text(mount['subPath']);
    return [
      ...(name === '' ? [required(`${at}.name`)] : volumes.has(name) ? [] : [notFoundValue(`${at}.name`, name)]),
      ...(where === '' ? [required(`${at}.mountPath`)] : []),
      ...(isRepeated ? [invalidValue(`${at}.mountPath`, where, 'must be unique')] : []),
      ...(subPath.startsWith('/') ? [invalidValue(`${at}.subPath`, subPath, 'must be a relative path')] : []),
      ...(subPath.split('/').includes('..') ? [invalidValue(`${at}.subPath`, subPath, "must not contain '..'")] : []),
    ];
  });
}

function handlerCauses(handler: JsonObject, path: string, kinds: readonly string[]): Cause[] {
  const chosen = kinds.filter((name) => isObject(handler[name]));
  if (chosen.length === 0) return [required(path, 'must specify a handler type')];
  const extra = chosen
    .slice(1)
    .map((name) => forbiddenField(`${path}.${name}`, 'may not specify more than 1 handler type'));
  return [...extra, ...oneHandler(objectOf(handler[chosen[0] ?? '']), `${path}.${chosen[0]}`, chosen[0])];
}

function oneHandler(handler: JsonObject, path: string, kind: string | undefined): Cause[] {
  switch (kind) {
    case 'exec':
      return list(handler['command']).length === 0 ? [required(`${path}.command`)] : [];
    case 'httpGet':
      return [
        ...(handler['path'] ? [] : [required(`${path}.path`)]),
        ...portReference(handler['port'], `${path}.port`),
        ...oneOf(handler['scheme'], `${path}.scheme`, ['HTTP', 'HTTPS']),
      ];
    case 'tcpSocket':
      return portReference(handler['port'], `${path}.port`);
    case 'grpc':
      return portNumber(handler['port'], `${path}.port`);
    default:
      return notNegative(handler['seconds'], `${path}.seconds`);
  }
}

const probeNumbers = ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'];

function probeCauses(probe: unknown, path: string, onlyOneSuccess: boolean): Cause[] {
  if (!isObject(probe)) return [];
  const causes = handlerCauses(probe, path, ['exec', 'httpGet', 'tcpSocket', 'grpc']);
  for (const name of probeNumbers) causes.push(...notNegative(probe[name], `${path}.${name}`));
  if (onlyOneSuccess && probe['successThreshold'] !== 1) {
    causes.push(invalidValue(`${path}.successThreshold`, probe['successThreshold'], 'must be 1'));
  }
  const grace = probe['terminationGracePeriodSeconds'];
  if (grace !== undefined && Number(grace) <= 0) {
    causes.push(invalidValue(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'));
  }
  return causes;
}

function hookCauses(lifecycle: unknown, path: string): Cause[] {
  const hooks = objectOf(lifecycle);
  return ['postStart', 'preStop'].flatMap((name) => {
    const hook = hooks[name];
    return isObject(hook) ? handlerCauses(hook, `${path}.${name}`, ['exec', 'httpGet', 'tcpSocket', 'sleep']) : [];
  });
}

const standardResources = new Set(['cpu', 'memory', 'ephemeral-storage']);

function resourceNameCauses(name: string, path: string): Cause[] {
  if (name.includes('/')) return keyProblems(name).map((problem) => invalidValue(path, name, problem));
  if (standardResources.has(name) || name.startsWith('hugepages-')) return [];
  return [invalidValue(path, name, 'must be a standard resource for containers')];
}

/** Whole units are wanted of extended resources, and a request may not be above its limit. */
export function resourceCauses(resources: unknown, path: string): Cause[] {
  const { limits, requests } = objectOf(resources);
  const limited = objectOf(limits);
  const causes: Cause[] = [];
  for (const [field, values] of [
    ['limits', limited],
    ['requests', objectOf(requests)],
  ] as const) {
    for (const [name, value] of Object.entries(values)) {
      const below = `${path}.${field}[${name}]`;
      causes.push(...resourceNameCauses(name, below));
      const quantity = tryParseQuantity(value);
      if (quantity && quantity.nano < 0n) causes.push(invalidValue(below, value, 'must be greater than or equal to 0'));
    }
  }
  for (const [name, value] of Object.entries(objectOf(requests))) {
    const limit = limited[name];
    if (limit !== undefined && compareQuantities(parseQuantity(text(value)), parseQuantity(text(limit))) > 0) {
      causes.push(
        invalidValue(`${path}.requests`, value, `must be less than or equal to ${name} limit of ${text(limit)}`),
      );
    }
  }
  return causes;
}

const pullPolicies = ['Always', 'IfNotPresent', 'Never'];

function imageCauses(image: string, path: string): Cause[] {
  if (image === '') return [required(path)];
  return image.trim() === image ? [] : [invalidValue(path, image, 'must not have leading or trailing whitespace')];
}

function containerCauses(container: JsonObject, path: string, volumes: ReadonlySet<string>): Cause[] {
  const security = objectOf(container['securityContext']);
  return [
    ...imageCauses(text(container['image']), `${path}.image`),
    ...oneOf(container['imagePullPolicy'], `${path}.imagePullPolicy`, pullPolicies),
    ...oneOf(container['terminationMessagePolicy'], `${path}.terminationMessagePolicy`, [
      'File',
      'FallbackToLogsOnError',
    ]),
    ...portCauses(container['ports'], `${path}.ports`),
    ...envCauses(container['env'], `${path}.env`),
    ...mountCauses(container, path, volumes),
    ...probeCauses(container['livenessProbe'], `${path}.livenessProbe`, true),
    ...probeCauses(container['readinessProbe'], `${path}.readinessProbe`, false),
    ...probeCauses(container['startupProbe'], `${path}.startupProbe`, true),
    ...hookCauses(container['lifecycle'], `${path}.lifecycle`),
    ...resourceCauses(container['resources'], `${path}.resources`),
    ...notNegative(security['runAsUser'], `${path}.securityContext.runAsUser`),
    ...notNegative(security['runAsGroup'], `${path}.securityContext.runAsGroup`),
  ];
}

function initOnly(container: JsonObject, path: string): Cause[] {
  const policy = container['restartPolicy'];
  if (policy === 'Always') return [];
  const hooks = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'];
  return [
    ...oneOf(policy, `${path}.restartPolicy`, ['Always', 'OnFailure', 'Never']),
    ...hooks
      .filter((name) => container[name] !== undefined)
      .map((name) =>
        forbiddenField(`${path}.${name}`, 'may not be set for init containers without restartPolicy=Always'),
      ),
  ];
}

function nameCauses(container: JsonObject, path: string, names: Set<string>): Cause[] {
  const name = text(container['name']);
  if (name === '') return [required(`${path}.name`)];
  const isRepeated = names.has(name);
  names.add(name);
  return [
    ...nameProblems(name, 'label').map((problem) => invalidValue(`${path}.name`, name, problem)),
    ...(isRepeated ? [duplicate(`${path}.name`, name)] : []),
  ];
}

function hostPortCauses(spec: JsonObject): Cause[] {
  const taken = new Set<string>();
  return each(spec['containers'], 'spec.containers', (container, path) =>
    each(container['ports'], `${path}.ports`, (port, at) => {
      if (!port['hostPort']) return [];
      const key = `${text(port['hostIP'])}/${text(port['hostPort'])}/${text(port['protocol'])}`;
      const isRepeated = taken.has(key);
      taken.add(key);
      return isRepeated ? [duplicate(`${at}.hostPort`, key)] : [];
    }),
  );
}

const tolerationEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

const tolerationCauses: Check = (toleration, path) => {
  const causes: Cause[] = [];
  const key = text(toleration['key']);
  const operator = text(toleration['operator']) || 'Equal';
  if (key !== '') causes.push(...keyProblems(key).map((problem) => invalidValue(`${path}.key`, key, problem)));
  else if (operator !== 'Exists')
    causes.push(
      invalidValue(
        `${path}.operator`,
        toleration['operator'] ?? '',
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ),
    );
  if (operator === 'Exists' && toleration['value']) {
    causes.push(
      invalidValue(`${path}.operator`, toleration['value'], "value must be empty when `operator` is 'Exists'"),
    );
  }
  if (toleration['operator']) causes.push(...oneOf(operator, `${path}.operator`, ['Equal', 'Exists', 'Gt', 'Lt']));
  if (toleration['effect']) causes.push(...oneOf(toleration['effect'], `${path}.effect`, tolerationEffects));
  if (toleration['tolerationSeconds'] !== undefined && toleration['effect'] !== 'NoExecute') {
    causes.push(
      invalidValue(
        `${path}.effect`,
        toleration['effect'] ?? '',
        "effect must be 'NoExecute' when `tolerationSeconds` is set",
      ),
    );
  }
  return causes;
};

export function podSpecCauses(spec: JsonObject): Cause[] {
  const volumes = volumeCauses(spec['volumes'], 'spec.volumes');
  const names = new Set<string>();
  const causes = [...volumes.causes];
  if (list(spec['containers']).length === 0) causes.push(required('spec.containers'));
  const one: Check = (container, path) => [
    ...nameCauses(container, path, names),
    ...containerCauses(container, path, volumes.names),
  ];
  causes.push(...each(spec['containers'], 'spec.containers', one));
  causes.push(
    ...each(spec['initContainers'], 'spec.initContainers', (container, path) => [
      ...one(container, path),
      ...initOnly(container, path),
    ]),
  );
  causes.push(
    ...each(spec['ephemeralContainers'], 'spec.ephemeralContainers', (container, path) =>
      nameCauses(container, path, names),
    ),
  );
  causes.push(
    ...hostPortCauses(spec),
    ...oneOf(spec['restartPolicy'], 'spec.restartPolicy', ['Always', 'OnFailure', 'Never']),
    ...oneOf(spec['dnsPolicy'], 'spec.dnsPolicy', ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']),
    ...notNegative(spec['terminationGracePeriodSeconds'], 'spec.terminationGracePeriodSeconds'),
    ...each(spec['tolerations'], 'spec.tolerations', tolerationCauses),
  );
  const deadline = spec['activeDeadlineSeconds'];
  if (deadline !== undefined && Number(deadline) < 1) {
    causes.push(invalidValue('spec.activeDeadlineSeconds', deadline, 'must be between 1 and 2147483647, inclusive'));
  }
  return [...causes, ...namesOfSpec(spec)];
}

function namesOfSpec(spec: JsonObject): Cause[] {
  const { hostname, subdomain, nodeName, serviceAccountName } = spec;
  const check = (value: unknown, path: string, shape: 'label' | 'subdomain'): Cause[] =>
    value ? nameProblems(text(value), shape).map((problem) => invalidValue(path, value, problem)) : [];
  return [
    ...check(hostname, 'spec.hostname', 'label'),
    ...check(subdomain, 'spec.subdomain', 'label'),
    ...check(nodeName, 'spec.nodeName', 'subdomain'),
    ...check(serviceAccountName, 'spec.serviceAccountName', 'subdomain'),
    ...(text(hostname).length > 63 ? [tooLong('spec.hostname', 63)] : []),
  ];
}

/** Only the main resource is bound to what may change; each subresource takes only its own part anyway. */
export function podCauses(pod: ApiObject, old: ApiObject | undefined, subresource: string): Cause[] {
  if (subresource === 'status') return [];
  const spec = objectOf(pod['spec']);
  const changes = old && subresource === '' ? updateCauses(spec, objectOf(old['spec'])) : [];
  return [...changes, ...podSpecCauses(spec)];
}
