// Which resources we read and write: group, version, plural and the TypeScript type of their objects.
import type * as k from './types.ts';

/** Addresses a resource of the API; `T` is the type of its objects. */
export interface Resource<T> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Carries `T` for the compiler; never set. */
  readonly object?: T;
}

/** Names one object: without a namespace for cluster-scoped resources. */
export interface ObjectName {
  readonly namespace?: string;
  readonly name: string;
}

function resource<T>(group: string, version: string, plural: string, kind: string, namespaced: boolean): Resource<T> {
  return { group, version, plural, kind, namespaced };
}

export const pods = resource<k.Pod>('', 'v1', 'pods', 'Pod', true);
export const nodes = resource<k.Node>('', 'v1', 'nodes', 'Node', false);
export const namespaces = resource<k.Namespace>('', 'v1', 'namespaces', 'Namespace', false);
export const services = resource<k.Service>('', 'v1', 'services', 'Service', true);
export const endpoints = resource<k.Endpoints>('', 'v1', 'endpoints', 'Endpoints', true);
export const configMaps = resource<k.ConfigMap>('', 'v1', 'configmaps', 'ConfigMap', true);
export const secrets = resource<k.Secret>('', 'v1', 'secrets', 'Secret', true);
export const serviceAccounts = resource<k.ServiceAccount>('', 'v1', 'serviceaccounts', 'ServiceAccount', true);
export const events = resource<k.KubeEvent>('', 'v1', 'events', 'Event', true);
export const persistentVolumes = resource<k.PersistentVolume>('', 'v1', 'persistentvolumes', 'PersistentVolume', false);
export const persistentVolumeClaims = resource<k.PersistentVolumeClaim>(
  '',
  'v1',
  'persistentvolumeclaims',
  'PersistentVolumeClaim',
  true,
);
export const endpointSlices = resource<k.EndpointSlice>(
  'discovery.k8s.io',
  'v1',
  'endpointslices',
  'EndpointSlice',
  true,
);
export const replicationControllers = resource<k.ReplicationController>(
  '',
  'v1',
  'replicationcontrollers',
  'ReplicationController',
  true,
);
export const replicaSets = resource<k.ReplicaSet>('apps', 'v1', 'replicasets', 'ReplicaSet', true);
export const deployments = resource<k.Deployment>('apps', 'v1', 'deployments', 'Deployment', true);
export const daemonSets = resource<k.DaemonSet>('apps', 'v1', 'daemonsets', 'DaemonSet', true);
export const statefulSets = resource<k.StatefulSet>('apps', 'v1', 'statefulsets', 'StatefulSet', true);
export const controllerRevisions = resource<k.ControllerRevision>(
  'apps',
  'v1',
  'controllerrevisions',
  'ControllerRevision',
  true,
);
export const jobs = resource<k.Job>('batch', 'v1', 'jobs', 'Job', true);
export const cronJobs = resource<k.CronJob>('batch', 'v1', 'cronjobs', 'CronJob', true);
export const podDisruptionBudgets = resource<k.PodDisruptionBudget>(
  'policy',
  'v1',
  'poddisruptionbudgets',
  'PodDisruptionBudget',
  true,
);
export const certificateSigningRequests = resource<k.CertificateSigningRequest>(
  'certificates.k8s.io',
  'v1',
  'certificatesigningrequests',
  'CertificateSigningRequest',
  false,
);
export const csiDrivers = resource<k.CSIDriver>('storage.k8s.io', 'v1', 'csidrivers', 'CSIDriver', false);
export const csiNodes = resource<k.CSINode>('storage.k8s.io', 'v1', 'csinodes', 'CSINode', false);
export const volumeAttachments = resource<k.VolumeAttachment>(
  'storage.k8s.io',
  'v1',
  'volumeattachments',
  'VolumeAttachment',
  false,
);
export const leases = resource<k.Lease>('coordination.k8s.io', 'v1', 'leases', 'Lease', true);

/** The path of a resource, or of one object, below the server's root: "/api/v1/namespaces/default/pods/web/status". */
export function resourcePath(of: Resource<unknown>, at: Partial<ObjectName> = {}, subresource?: string): string {
  const base = of.group === '' ? `/api/${of.version}` : `/apis/${of.group}/${of.version}`;
  const space = of.namespaced && at.namespace ? `/namespaces/${encodeURIComponent(at.namespace)}` : '';
  const name = at.name === undefined ? '' : `/${encodeURIComponent(at.name)}`;
  return `${base}${space}/${of.plural}${name}${subresource ? `/${subresource}` : ''}`;
}
