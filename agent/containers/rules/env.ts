// A container's environment: service variables, then envFrom in order, then env in order; later ones win.
import type { ConfigMap, Container, EnvVar, Pod, Secret, Service } from '../../../kube/types.ts';
import { type DownwardFacts, fieldValue, resourceValue } from './downward.ts';
import { ContainerConfigError } from './errors.ts';
import { expand } from './expand.ts';
import { serviceEnv, visibleServices } from './service-env.ts';

/** The objects that a container's environment refers to, by name; undefined: it does not exist. */
export interface EnvObjects {
  readonly configMaps: ReadonlyMap<string, ConfigMap | undefined>;
  readonly secrets: ReadonlyMap<string, Secret | undefined>;
  readonly services: readonly Service[];
}

/** The names of the ConfigMaps and Secrets that must be fetched first. */
export function envReferences(container: Container): { configMaps: Set<string>; secrets: Set<string> } {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef?.name) configMaps.add(configMapRef.name);
    if (secretRef?.name) secrets.add(secretRef.name);
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.configMapKeyRef?.name) configMaps.add(valueFrom.configMapKeyRef.name);
    if (valueFrom?.secretKeyRef?.name) secrets.add(valueFrom.secretKeyRef.name);
  }
  return { configMaps, secrets };
}

/** Throws `ContainerConfigError` with upstream's words where something required is missing. */
export function containerEnv(
  pod: Pod,
  container: Container,
  objects: EnvObjects,
  facts: DownwardFacts,
): Map<string, string> {
  const { namespace } = pod.metadata;
  const services = visibleServices(objects.services, namespace, pod.spec.enableServiceLinks !== false);
  const env = new Map(serviceEnv(services));
  for (const source of container.envFrom ?? []) {
    for (const [key, value] of valuesOf(source, objects)) set(env, `${source.prefix ?? ''}${key}`, value);
  }
  for (const variable of container.env ?? []) {
    const value = variableValue(variable, pod, container, objects, facts, env);
    if (value !== undefined) set(env, variable.name, value);
  }
  return env;
}

/** What the kernel or the engine would cut or misread is refused here. */
function set(env: Map<string, string>, name: string, value: string): void {
  if (name === '' || /[=\0-\x1f\x7f]/.test(name)) {
    throw new ContainerConfigError(`invalid environment variable name ${JSON.stringify(name)}`);
  }
  if (value.includes('\0')) throw new ContainerConfigError(`environment variable ${name} contains a NUL character`);
  env.set(name, value);
}

function valuesOf(source: NonNullable<Container['envFrom']>[number], objects: EnvObjects): [string, string][] {
  const { configMapRef, secretRef } = source;
  if (configMapRef) {
    const name = configMapRef.name ?? '';
    const configMap = objects.configMaps.get(name);
    if (!configMap && !configMapRef.optional) throw new ContainerConfigError(`configmap "${name}" not found`);
    return Object.entries(configMap?.data ?? {});
  }
  if (secretRef) {
    const name = secretRef.name ?? '';
    const secret = objects.secrets.get(name);
    if (!secret && !secretRef.optional) throw new ContainerConfigError(`secret "${name}" not found`);
    return Object.entries(secret?.data ?? {}).map(([key, value]) => [key, decoded(value)]);
  }
  return [];
}

const decoded = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

/** Undefined: optional and not there, so the variable is left out. */
function variableValue(
  variable: EnvVar,
  pod: Pod,
  container: Container,
  objects: EnvObjects,
  facts: DownwardFacts,
  earlier: ReadonlyMap<string, string>,
): string | undefined {
  const { value, valueFrom } = variable;
  if (!valueFrom) return expand(value ?? '', earlier);
  if (valueFrom.fieldRef) return fieldValue(pod, valueFrom.fieldRef.fieldPath, facts);
  if (valueFrom.resourceFieldRef) {
    const { containerName, resource, divisor } = valueFrom.resourceFieldRef;
    const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
    const of = containerName ? all.find((other) => other.name === containerName) : container;
    if (!of) throw new ContainerConfigError(`container ${containerName} not found`);
    return resourceValue(of, resource, divisor, facts);
  }
  if (valueFrom.configMapKeyRef) {
    const { name = '', key, optional } = valueFrom.configMapKeyRef;
    const object = objects.configMaps.get(name);
    const data = object?.data;
    if (data && Object.hasOwn(data, key)) return data[key];
    return missing(object, 'ConfigMap', pod.metadata.namespace, name, key, optional);
  }
  if (valueFrom.secretKeyRef) {
    const { name = '', key, optional } = valueFrom.secretKeyRef;
    const object = objects.secrets.get(name);
    const data = object?.data;
    if (data && Object.hasOwn(data, key)) return decoded(data[key] ?? '');
    return missing(object, 'Secret', pod.metadata.namespace, name, key, optional);
  }
  throw new ContainerConfigError(`environment variable ${variable.name} has no source that this node knows`);
}

function missing(
  object: object | undefined,
  kind: 'ConfigMap' | 'Secret',
  namespace: string,
  name: string,
  key: string,
  optional: boolean | undefined,
): undefined {
  if (optional) return undefined;
  if (!object) throw new ContainerConfigError(`${kind.toLowerCase()} "${name}" not found`);
  throw new ContainerConfigError(`couldn't find key ${key} in ${kind} ${namespace}/${name}`);
}
