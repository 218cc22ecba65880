// What the API fills in for a pod that says nothing. Pure; alters the pod that it is given.
import { type ApiObject, isObject, type JsonObject, list, object as objectOf } from '../../model.ts';

/** Sets a field that is absent. */
export function fill(target: JsonObject, values: JsonObject): void {
  for (const [name, value] of Object.entries(values)) {
    if (target[name] === undefined) target[name] = value;
  }
}

/** "latest", or no tag and no digest, is pulled every time. */
export function pullPolicyOf(image: unknown): 'Always' | 'IfNotPresent' {
  if (typeof image !== 'string' || image.includes('@')) return 'IfNotPresent';
  const name = image.slice(image.lastIndexOf('/') + 1);
  const tag = name.includes(':') ? name.slice(name.indexOf(':') + 1) : 'latest';
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function defaultHandler(handler: JsonObject): void {
  const http = handler['httpGet'];
  if (isObject(http)) fill(http, { path: '/', scheme: 'HTTP' });
  const grpc = handler['grpc'];
  if (isObject(grpc)) fill(grpc, { service: '' });
}

function defaultProbe(probe: unknown): void {
  if (!isObject(probe)) return;
  defaultHandler(probe);
  fillZero(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
}

/** For numbers whose zero means "not said". */
function fillZero(target: JsonObject, values: JsonObject): void {
  for (const [name, value] of Object.entries(values)) {
    if (target[name] === undefined || target[name] === 0) target[name] = value;
  }
}

/** A limit without a request is also the request. */
function defaultRequests(container: JsonObject): void {
  const resources = objectOf(container['resources']);
  container['resources'] = resources;
  const limits = objectOf(resources['limits']);
  if (Object.keys(limits).length === 0) return;
  const requests = { ...objectOf(resources['requests']) };
  fill(requests, limits);
  resources['requests'] = requests;
}

function defaultEnv(variable: JsonObject): void {
  const source = objectOf(variable['valueFrom']);
  if (isObject(source['fieldRef'])) fill(source['fieldRef'], { apiVersion: 'v1' });
  if (isObject(source['resourceFieldRef'])) fill(source['resourceFieldRef'], { divisor: '0' });
  if (isObject(source['fileKeyRef'])) fill(source['fileKeyRef'], { optional: false });
}

function defaultContainer(container: JsonObject): void {
  fill(container, {
    imagePullPolicy: pullPolicyOf(container['image']),
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  });
  defaultRequests(container);
  for (const port of list(container['ports'])) fill(port, { protocol: 'TCP' });
  for (const variable of list(container['env'])) defaultEnv(variable);
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) defaultProbe(container[name]);
  const lifecycle = objectOf(container['lifecycle']);
  for (const name of ['postStart', 'preStop']) {
    if (isObject(lifecycle[name])) defaultHandler(lifecycle[name]);
  }
}

/** Volume sources by name, and what they are filled with. */
const volumeDefaults: Readonly<Record<string, JsonObject>> = {
  secret: { defaultMode: 420 },
  configMap: { defaultMode: 420 },
  downwardAPI: { defaultMode: 420 },
  projected: { defaultMode: 420 },
  hostPath: { type: '' },
  iscsi: { iscsiInterface: 'default' },
  rbd: { pool: 'rbd', user: 'admin', keyring: '/etc/ceph/keyring' },
  azureDisk: { cachingMode: 'ReadWrite', fsType: 'ext4', readOnly: false, kind: 'Shared' },
};
const sourceNames = new Set(['name']);

function defaultVolume(volume: JsonObject): void {
  const named = Object.keys(volume).filter((name) => !sourceNames.has(name));
  if (named.length === 0) volume['emptyDir'] = {};
  for (const [name, values] of Object.entries(volumeDefaults)) {
    if (isObject(volume[name])) fill(volume[name], values);
  }
  const items = [
    ...list(objectOf(volume['downwardAPI'])['items']),
    ...list(objectOf(volume['projected'])['sources']).flatMap((one) => list(objectOf(one['downwardAPI'])['items'])),
  ];
  for (const item of items) {
    if (isObject(item['fieldRef'])) fill(item['fieldRef'], { apiVersion: 'v1' });
    if (isObject(item['resourceFieldRef'])) fill(item['resourceFieldRef'], { divisor: '0' });
  }
  for (const source of list(objectOf(volume['projected'])['sources'])) {
    if (isObject(source['serviceAccountToken'])) fillZero(source['serviceAccountToken'], { expirationSeconds: 3600 });
  }
  const claim = objectOf(objectOf(volume['ephemeral'])['volumeClaimTemplate'])['spec'];
  if (isObject(claim)) fill(claim, { volumeMode: 'Filesystem' });
  const image = volume['image'];
  if (isObject(image)) fill(image, { pullPolicy: pullPolicyOf(image['reference']) });
}

/** A pod of the host network has its container ports on the host. */
function defaultHostPorts(spec: JsonObject, container: JsonObject): void {
  if (spec['hostNetwork'] !== true) return;
  for (const port of list(container['ports'])) fillZero(port, { hostPort: port['containerPort'] });
}

export function defaultPodSpec(spec: JsonObject): void {
  fill(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
  });
  for (const name of ['initContainers', 'containers', 'ephemeralContainers']) {
    for (const container of list(spec[name])) {
      defaultContainer(container);
      defaultHostPorts(spec, container);
    }
  }
  for (const volume of list(spec['volumes'])) defaultVolume(volume);
  for (const constraint of list(spec['topologySpreadConstraints'])) {
    fill(constraint, { nodeAffinityPolicy: 'Honor', nodeTaintsPolicy: 'Ignore' });
  }
  // The old name of the field still stands beside the new one.
  const account = spec['serviceAccountName'] ?? spec['serviceAccount'];
  if (account !== undefined) Object.assign(spec, { serviceAccountName: account, serviceAccount: account });
}

export function defaultPod(pod: ApiObject): void {
  const spec = objectOf(pod['spec']);
  pod['spec'] = spec;
  defaultPodSpec(spec);
}
