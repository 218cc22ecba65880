// Workloads with everything that a test does not care about filled in.
import type { Deployment, Job, OwnerReference, Pod, ReplicaSet } from '../../kube/types.ts';
import { aPod } from './control-plane.ts';

const created = '2026-01-01T00:00:00Z';
const template = (image: string, labels: Record<string, string> = { app: 'web' }) => ({
  metadata: { labels },
  spec: { containers: [{ name: 'web', image }] },
});

export function ownedBy(kind: string, name: string, apiVersion = 'apps/v1'): OwnerReference {
  return { apiVersion, kind, name, uid: `uid-${name}`, controller: true, blockOwnerDeletion: true };
}

export function aDeployment(
  over: {
    replicas?: number;
    image?: string;
    spec?: Partial<Deployment['spec']>;
    status?: Deployment['status'];
    metadata?: object;
  } = {},
): Deployment {
  const { replicas = 4, image = 'web:1', spec = {}, status, metadata = {} } = over;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: 'web',
      namespace: 'default',
      uid: 'uid-web',
      generation: 1,
      creationTimestamp: created,
      ...metadata,
    },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      template: template(image),
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      ...spec,
    },
    ...(status ? { status } : {}),
  };
}

/** A set of the Deployment "web"; all of its pods are available, unless said otherwise. */
export function aSet(
  name: string,
  replicas: number,
  over: {
    image?: string;
    available?: number;
    revision?: number;
    desired?: number;
    max?: number;
    created?: string;
    owner?: OwnerReference | null;
  } = {},
): ReplicaSet {
  const { image = 'web:1', available = replicas, revision = 1, desired = 4, max = 5, owner } = over;
  const labels = { app: 'web', 'pod-template-hash': name };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      resourceVersion: '7',
      generation: 1,
      creationTimestamp: over.created ?? created,
      labels,
      annotations: {
        'deployment.kubernetes.io/revision': String(revision),
        'deployment.kubernetes.io/desired-replicas': String(desired),
        'deployment.kubernetes.io/max-replicas': String(max),
      },
      ...(owner === null ? {} : { ownerReferences: [owner ?? ownedBy('Deployment', 'web')] }),
    },
    spec: { replicas, selector: { matchLabels: labels }, template: template(image, labels) },
    status: {
      replicas,
      readyReplicas: available,
      availableReplicas: available,
      observedGeneration: 1,
      fullyLabeledReplicas: replicas,
      terminatingReplicas: 0,
    },
  };
}

/** A pod of a workload. */
export function aPodOf(kind: string, owner: string, name: string, over: Parameters<typeof aPod>[1] = {}): Pod {
  const apiVersion = kind === 'Job' ? 'batch/v1' : 'apps/v1';
  const metadata = {
    creationTimestamp: created,
    labels: { app: 'web', 'pod-template-hash': owner },
    ownerReferences: [ownedBy(kind, owner, apiVersion)],
    ...over.metadata,
  };
  return aPod(name, { ...over, metadata });
}

export function aJob(spec: Partial<Job['spec']> = {}, status?: Job['status']): Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'sum', namespace: 'default', uid: 'uid-sum', resourceVersion: '3', creationTimestamp: created },
    spec: {
      completions: 1,
      parallelism: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { restartPolicy: 'Never', containers: [{ name: 'c' }] } },
      ...spec,
    },
    ...(status ? { status } : {}),
  };
}
