// The pods of a Job: how they ended, which index they stand for, and how they are made.
import { pods } from '../../../../kube/resources.ts';
import type { Container, Job, Pod } from '../../../../kube/types.ts';
import type { Action } from '../../../model.ts';
import { ownerReference } from '../ownership.ts';
import { parseIndexes } from './indexes.ts';

/** A pod stays until its end has been counted. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
const indexKey = 'batch.kubernetes.io/job-completion-index';

export const isTracked = ({ metadata }: Pod): boolean => metadata.finalizers?.includes(trackingFinalizer) ?? false;

export const isIndexed = ({ spec }: Job): boolean => spec.completionMode === 'Indexed';

export const hasSucceeded = ({ status }: Pod): boolean => status?.phase === 'Succeeded';

/** A pod that is being deleted counts as failed, unless the Job waits for it to end by itself. */
export function hasFailed(pod: Pod, { spec }: Job): boolean {
  if (pod.status?.phase === 'Failed') return true;
  const waits = spec.podReplacementPolicy === 'Failed';
  return !waits && pod.metadata.deletionTimestamp !== undefined && !hasSucceeded(pod);
}

export function indexOf({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[indexKey];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Indexes that are done: those counted before and those of pods that succeeded since. */
export function doneIndexes(job: Job, owned: readonly Pod[]): Set<number> {
  const done = parseIndexes(job.status?.completedIndexes);
  for (const pod of owned.filter(hasSucceeded)) {
    const index = indexOf(pod);
    if (index !== undefined && index < (job.spec.completions ?? 0)) done.add(index);
  }
  return done;
}

export function createPod(job: Job, index: number | undefined, because: string): Action {
  const { template } = job.spec;
  const { labels, annotations, finalizers = [] } = template.metadata ?? {};
  const own = index === undefined ? {} : { [indexKey]: String(index) };
  const { name, namespace } = job.metadata;
  const metadata = {
    namespace,
    generateName: index === undefined ? `${name}-` : `${name}-${index}-`,
    labels: { ...labels, ...own },
    annotations: { ...annotations, ...own },
    finalizers: [...finalizers, trackingFinalizer],
    ownerReferences: [ownerReference(job)],
  };
  const spec = template.spec && index !== undefined ? indexedSpec(job, template.spec, index) : template.spec;
  return { do: 'Create', of: pods, object: { apiVersion: 'v1', kind: 'Pod', metadata, spec }, tell: job, because };
}

function indexedSpec({ metadata }: Job, spec: NonNullable<Job['spec']['template']['spec']>, index: number) {
  const withIndex = (container: Container): Container => {
    const name = 'JOB_COMPLETION_INDEX';
    if (container.env?.some((one) => one.name === name)) return container;
    const valueFrom = { fieldRef: { fieldPath: `metadata.labels['${indexKey}']` } };
    return { ...container, env: [...(container.env ?? []), { name, valueFrom }] };
  };
  return {
    ...spec,
    hostname: `${metadata.name}-${index}`,
    containers: spec.containers.map(withIndex),
    ...(spec.initContainers ? { initContainers: spec.initContainers.map(withIndex) } : {}),
  };
}

/** Its end has been counted, or nobody is left to count it. */
export function release({ metadata: { name, namespace, uid, finalizers = [], resourceVersion } }: Pod): Action {
  const kept = finalizers.filter((one) => one !== trackingFinalizer);
  const body = { metadata: { uid, resourceVersion, finalizers: kept } };
  const because = 'its end has been counted';
  return { do: 'Patch', of: pods, at: { namespace, name }, patch: { type: 'merge', body }, because };
}

const firstDelayMs = 10_000;
const lastDelayMs = 600_000;

const endedMs = ({ status, metadata }: Pod): number => {
  const times = (status?.containerStatuses ?? []).map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? ''));
  const known = times.filter((ms) => !Number.isNaN(ms));
  return known.length > 0
    ? Math.max(...known)
    : Date.parse(metadata.deletionTimestamp ?? metadata.creationTimestamp ?? '');
};

/** How long to wait before the next pod: twice as long with each failure since the last success. */
export function backoffMs(job: Job, owned: readonly Pod[], nowMs: number): number {
  const failures = owned.filter(({ status }) => status?.phase === 'Failed').map(endedMs);
  const lastSuccess = Math.max(0, ...owned.filter(hasSucceeded).map(endedMs));
  const since = failures.filter((ms) => ms > lastSuccess);
  if (since.length === 0 || job.spec.backoffLimit === 0) return 0;
  const delay = Math.min(firstDelayMs * 2 ** (since.length - 1), lastDelayMs);
  return Math.max(0, Math.max(...since) + delay - nowMs);
}

/** Restarts of containers that the kubelet starts again: they count as failures of the Job. */
export function restartsOf(all: readonly Pod[]): number {
  const counts = all.flatMap(({ status }) => [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ]);
  return counts.reduce((sum, { restartCount }) => sum + restartCount, 0);
}
