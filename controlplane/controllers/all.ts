// Every control loop there is, and what the loops' cache must hold for them.
import {
  configMaps,
  controllerRevisions,
  cronJobs,
  daemonSets,
  deployments,
  endpointSlices,
  endpoints,
  jobs,
  leases,
  namespaces,
  nodes,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  replicaSets,
  replicationControllers,
  serviceAccounts,
  services,
  statefulSets,
} from '../../kube/resources.ts';
import type { Held } from '../cache.ts';
import { cronJobController } from './cron-job.ts';
import { daemonSetController } from './daemon-set.ts';
import { deploymentController } from './deployment.ts';
import { disruptionBudgetController } from './disruption-budget.ts';
import { jobController } from './job.ts';
import { namespaceDeletionController } from './namespace-deletion.ts';
import { leaseNamespace, nodeLifecycleController } from './node-lifecycle.ts';
import { podCollectionController } from './pod-collection.ts';
import { replicasController } from './replicas.ts';
import { defaultNamespacesController } from './rules/default-namespaces.ts';
import { endpointSliceController } from './rules/endpoint-slices.ts';
import { endpointsController } from './rules/endpoints.ts';
import { rootCaController, serviceAccountController } from './rules/namespace-content.ts';
import { type ClusterBlock, nodeCidrController } from './rules/node-cidr.ts';
import { upstreamLimits } from './rules/node-lifecycle.ts';
import { runController, type ShellParts } from './shell.ts';
import { statefulSetController } from './stateful-set.ts';
import { taintEvictionController } from './taint-eviction.ts';

export interface ControllerSettings {
  readonly caPem: string;
  readonly clusterBlocks: readonly ClusterBlock[];
  readonly nodeGraceMs: number;
}

/** Of leases, ServiceAccounts and ConfigMaps only those that a loop asks for: there may be very many others. */
export const controllersHold: readonly Held[] = [
  { of: namespaces },
  { of: nodes },
  { of: pods },
  { of: services },
  { of: endpoints },
  { of: endpointSlices },
  { of: replicationControllers },
  { of: replicaSets },
  { of: deployments },
  { of: daemonSets },
  { of: statefulSets },
  { of: controllerRevisions },
  { of: jobs },
  { of: podDisruptionBudgets },
  { of: cronJobs },
  { of: persistentVolumeClaims },
  { of: leases, select: { namespace: leaseNamespace } },
  { of: serviceAccounts, select: { fieldSelector: 'metadata.name=default' } },
  { of: configMaps, select: { fieldSelector: 'metadata.name=kube-root-ca.crt' } },
];

/** Runs all loops until `signal` ends. Call it before the cache runs. */
export async function runControllers(
  { caPem, clusterBlocks, nodeGraceMs }: ControllerSettings,
  parts: ShellParts,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([
    runController(defaultNamespacesController, parts, signal),
    runController(serviceAccountController, parts, signal),
    runController(rootCaController(caPem), parts, signal),
    runController(namespaceDeletionController, parts, signal),
    runController(endpointSliceController, parts, signal),
    runController(endpointsController, parts, signal),
    runController(nodeCidrController(clusterBlocks), parts, signal),
    runController(nodeLifecycleController({ ...upstreamLimits, graceMs: nodeGraceMs }), parts, signal),
    runController(taintEvictionController(), parts, signal),
    runController(podCollectionController(), parts, signal),
    runController(replicasController('ReplicationController'), parts, signal),
    runController(replicasController('ReplicaSet'), parts, signal),
    runController(deploymentController, parts, signal),
    runController(jobController, parts, signal),
    runController(disruptionBudgetController, parts, signal),
    runController(cronJobController, parts, signal),
    runController(daemonSetController, parts, signal),
    runController(statefulSetController, parts, signal),
  ]);
}
