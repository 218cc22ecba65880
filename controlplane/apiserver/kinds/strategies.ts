// How each kind differs from plain objects, by its address.
import { signingRequestStrategy } from './certificates.ts';
import {
  configMapStrategy,
  eventStrategy,
  leaseStrategy,
  namespaceStrategy,
  nodeStrategy,
  secretStrategy,
  serviceAccountStrategy,
} from './core.ts';
import { eventsV1Strategy } from './events-v1.ts';
import type { Strategy } from './kind.ts';
import { podStrategy } from './pod/strategy.ts';
import { endpointSliceStrategy, endpointsStrategy, serviceStrategy } from './service.ts';
import {
  budgetStrategy,
  claimStrategy,
  csiDriverStrategy,
  csiNodeStrategy,
  priorityClassStrategy,
  runtimeClassStrategy,
  storageClassStrategy,
  volumeAttachmentStrategy,
  volumeStrategy,
} from './storage.ts';
import { cronJobStrategy, jobStrategy } from './workloads/jobs.ts';
import { deploymentStrategy, replicaSetStrategy, replicationControllerStrategy } from './workloads/replicas.ts';
import { controllerRevisionStrategy, daemonSetStrategy, statefulSetStrategy } from './workloads/sets.ts';

export const strategies: Readonly<Record<string, Strategy>> = {
  '/v1/configmaps': configMapStrategy,
  '/v1/endpoints': endpointsStrategy,
  '/v1/events': eventStrategy,
  '/v1/namespaces': namespaceStrategy,
  '/v1/nodes': nodeStrategy,
  '/v1/persistentvolumeclaims': claimStrategy,
  '/v1/persistentvolumes': volumeStrategy,
  '/v1/pods': podStrategy,
  '/v1/replicationcontrollers': replicationControllerStrategy,
  '/v1/secrets': secretStrategy,
  '/v1/serviceaccounts': serviceAccountStrategy,
  '/v1/services': serviceStrategy,
  'apps/v1/controllerrevisions': controllerRevisionStrategy,
  'apps/v1/daemonsets': daemonSetStrategy,
  'apps/v1/deployments': deploymentStrategy,
  'apps/v1/replicasets': replicaSetStrategy,
  'apps/v1/statefulsets': statefulSetStrategy,
  'batch/v1/cronjobs': cronJobStrategy,
  'batch/v1/jobs': jobStrategy,
  'events.k8s.io/v1/events': eventsV1Strategy,
  'policy/v1/poddisruptionbudgets': budgetStrategy,
  'storage.k8s.io/v1/csidrivers': csiDriverStrategy,
  'storage.k8s.io/v1/csinodes': csiNodeStrategy,
  'storage.k8s.io/v1/storageclasses': storageClassStrategy,
  'storage.k8s.io/v1/volumeattachments': volumeAttachmentStrategy,
  'scheduling.k8s.io/v1/priorityclasses': priorityClassStrategy,
  'node.k8s.io/v1/runtimeclasses': runtimeClassStrategy,
  'discovery.k8s.io/v1/endpointslices': endpointSliceStrategy,
  'certificates.k8s.io/v1/certificatesigningrequests': signingRequestStrategy,
  'coordination.k8s.io/v1/leases': leaseStrategy,
};
