// Where a pod's log, exec, attach or port-forward is on its node's kubelet, and where a proxied request goes. Pure.
import { type ApiObject, at, type JsonObject, list, object as objectOf, text } from '../model.ts';
import { badRequest, internal } from './status-error.ts';

export interface Endpoint {
  readonly protocol: 'http:' | 'https:';
  readonly host: string;
  readonly port: number;
}

const kubeletPort = 10_250;
const wanted = ['InternalIP', 'Hostname', 'InternalDNS', 'ExternalIP', 'ExternalDNS'];

/** The kubelet of a node. Throws a 500 `StatusError` for a node that has not said where it is. */
export function kubeletOf(node: ApiObject): Endpoint {
  const addresses = list(at(node, 'status.addresses'));
  const found = wanted.map((type) => addresses.find((one) => one['type'] === type)).find((one) => one !== undefined);
  const host = text(found?.['address']);
  if (host === '') throw internal(`no preferred addresses found; known addresses: ${JSON.stringify(addresses)}`);
  const port = Number(at(node, 'status.daemonEndpoints.kubeletEndpoint.Port') ?? 0) || kubeletPort;
  return { protocol: 'https:', host, port };
}

function containersOf(pod: ApiObject): JsonObject[] {
  const spec = objectOf(pod['spec']);
  return ['containers', 'initContainers', 'ephemeralContainers'].flatMap((name) => list(spec[name]));
}

/** The container that is meant. Throws a 400 `StatusError` where the pod has several and none was named, or not that one. */
export function containerOf(pod: ApiObject, asked: string): string {
  const { name } = pod.metadata;
  const names = (kind: string): string[] => list(at(pod, `spec.${kind}`)).map((one) => text(one['name']));
  if (asked !== '') {
    if (containersOf(pod).some((one) => one['name'] === asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  const main = names('containers');
  const chosen = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'];
  if (main.length === 1 || (chosen && main.includes(chosen)))
    return chosen && main.includes(chosen) ? chosen : (main[0] ?? '');
  const inits = names('initContainers');
  const others = inits.length > 0 ? ` or one of the init containers: [${inits.join(' ')}]` : '';
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${main.join(' ')}]${others}`);
}

const copied = (from: URLSearchParams, to: URLSearchParams, names: Readonly<Record<string, string>>): void => {
  for (const [theirs, ours] of Object.entries(names)) {
    if (isTrue(from.get(theirs))) to.set(ours, '1');
  }
};
const isTrue = (value: string | null): boolean => value === 'true' || value === '1';
const logNames = ['follow', 'previous', 'sinceSeconds', 'sinceTime', 'timestamps', 'tailLines', 'limitBytes', 'stream'];

/** The kubelet's path and query for a pod's subresource. */
export function kubeletPath(pod: ApiObject, subresource: string, query: URLSearchParams): string {
  const { namespace = '', name } = pod.metadata;
  const where = `${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
  const ours = new URLSearchParams();
  if (subresource === 'portforward') {
    for (const port of [...query.getAll('ports'), ...query.getAll('port')]) ours.append('port', port);
    return withQuery(`/portForward/${where}`, ours);
  }
  const container = encodeURIComponent(containerOf(pod, query.get('container') ?? ''));
  if (subresource === 'log') {
    for (const option of logNames) if (query.get(option)) ours.set(option, query.get(option) ?? '');
    return withQuery(`/containerLogs/${where}/${container}`, ours);
  }
  copied(query, ours, { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' });
  for (const word of subresource === 'exec' ? query.getAll('command') : []) ours.append('command', word);
  return withQuery(`/${subresource}/${where}/${container}`, ours);
}

const withQuery = (path: string, query: URLSearchParams): string => (query.size === 0 ? path : `${path}?${query}`);

/** "https:web:8443", "web:8443", "web": what stands where a proxied object's name would. Throws a 400 `StatusError`. */
export function parseProxyName(value: string): { protocol: Endpoint['protocol']; name: string; port: string } {
  const parts = value.split(':');
  const [scheme, name, port] = parts.length === 3 ? parts : ['', ...parts];
  if (parts.length > 3 || !name || !['', 'http', 'https'].includes(scheme ?? ''))
    throw badRequest(`invalid proxy request "${value}"`);
  return { protocol: scheme === 'https' ? 'https:' : 'http:', name, port: port ?? '' };
}

/** The number of a port that was given as number or name; the first one where nothing was given. */
export function portOf(asked: string, named: readonly { name: string; port: number }[]): number {
  const found = asked === '' ? named[0] : named.find((one) => one.name === asked || String(one.port) === asked);
  const port = found?.port ?? Number(asked || 80);
  if (!(port >= 1 && port <= 65_535)) throw badRequest(`invalid port "${asked}"`);
  return port;
}
