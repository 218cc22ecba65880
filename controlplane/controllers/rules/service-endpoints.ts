// Which pods stand behind a service, at which ports: what Endpoints and EndpointSlices have in common.
import { parseAddress } from '../../../host/cidr.ts';
import { pods, services } from '../../../kube/resources.ts';
import { matchesLabels, selectorOf } from '../../../kube/selectors.ts';
import type { Pod, Service } from '../../../kube/types.ts';
import { type View, type Watch, watch } from '../../model.ts';
import { isFinished, isReady, podCondition } from './pod-conditions.ts';

export const headlessLabel = 'service.kubernetes.io/headless';
export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';

export interface EndpointPort {
  readonly name?: string;
  readonly port: number;
  readonly protocol: string;
  readonly appProtocol?: string;
}

/** One pod behind a service. `ports: []` only for headless services that name none. */
export interface Backend {
  readonly pod: Pod;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly ports: readonly EndpointPort[];
  readonly hostname: string | undefined;
}

/** A service without a selector, or that is only a name, has endpoints of its owner's making. */
export function hasSelector({ spec }: Service): boolean {
  return spec.type !== 'ExternalName' && Object.keys(spec.selector ?? {}).length > 0;
}

export const isHeadless = ({ spec }: Service): boolean => spec.clusterIP === 'None';

export function serviceKeysOf(pod: Pod, view: View): string[] {
  return view
    .list(services, pod.metadata.namespace)
    .filter(
      (service) =>
        hasSelector(service) &&
        matchesLabels(selectorOf({ matchLabels: service.spec.selector ?? {} }), pod.metadata.labels),
    )
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

/** What services and pods wake. */
export const endpointWatches: readonly Watch[] = [
  watch(services, ({ metadata }) => [`${metadata.namespace}/${metadata.name}`]),
  watch(pods, serviceKeysOf, (before, after) => backendFacts(before) !== backendFacts(after)),
];

function backendFacts(pod: Pod): string {
  const { labels, deletionTimestamp } = pod.metadata;
  const { nodeName, hostname, subdomain } = pod.spec;
  return JSON.stringify([
    labels,
    deletionTimestamp,
    nodeName,
    hostname,
    subdomain,
    pod.status?.podIPs,
    isReady(pod),
    isFinished(pod),
  ]);
}

/** The pods behind a service, in the order of their names. */
export function backendsOf(service: Service, candidates: readonly Pod[]): Backend[] {
  const selector = selectorOf({ matchLabels: service.spec.selector ?? {} });
  return candidates
    .filter((pod) => matchesLabels(selector, pod.metadata.labels) && !isFinished(pod) && addressesOf(pod).length > 0)
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .map((pod) => backendOf(service, pod));
}

function backendOf(service: Service, pod: Pod): Backend {
  const serving = isReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const { hostname, subdomain } = pod.spec;
  const named = hostname && subdomain === service.metadata.name ? hostname : undefined;
  return { pod, ready, serving, terminating, ports: portsOf(service, pod), hostname: named };
}

/** The pod's addresses, primary first. */
export function addressesOf({ status }: Pod): string[] {
  const all = (status?.podIPs ?? []).flatMap(({ ip }) => ip ?? []);
  return all.length > 0 ? all : status?.podIP ? [status.podIP] : [];
}

export const familyOf = (ip: string): 'IPv4' | 'IPv6' => (parseAddress(ip)?.family === 6 ? 'IPv6' : 'IPv4');

/** A port whose name the pod does not have is left out. */
function portsOf(service: Service, pod: Pod): EndpointPort[] {
  return (service.spec.ports ?? []).flatMap(({ name, port, protocol = 'TCP', targetPort, appProtocol }) => {
    const number = containerPort(pod, targetPort ?? port, protocol);
    if (number === undefined) return [];
    return [{ ...(name ? { name } : {}), port: number, protocol, ...(appProtocol ? { appProtocol } : {}) }];
  });
}

function containerPort(pod: Pod, wanted: number | string, protocol: string): number | undefined {
  if (typeof wanted === 'number') return wanted;
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const declared = [...pod.spec.containers, ...sidecars].flatMap(({ ports = [] }) => ports);
  return declared.find((one) => one.name === wanted && (one.protocol ?? 'TCP') === protocol)?.containerPort;
}

/** When the change that endpoints now show began: the oldest change of readiness among `changed`, or the service's birth. */
export function triggerTime(service: Service, changed: readonly Pod[]): string | undefined {
  const times = changed.flatMap((pod) => podCondition(pod, 'Ready')?.lastTransitionTime ?? []);
  return times.sort()[0] ?? service.metadata.creationTimestamp;
}

/** The service's labels, and whether it is headless; never the labels that say whose object it is. */
export function inheritedLabels(service: Service, reserved: readonly string[]): Record<string, string> {
  const own = Object.entries(service.metadata.labels ?? {}).filter(
    ([key]) => ![headlessLabel, ...reserved].includes(key),
  );
  return { ...Object.fromEntries(own), ...(isHeadless(service) ? { [headlessLabel]: '' } : {}) };
}
