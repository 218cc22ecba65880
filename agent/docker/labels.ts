// How pods are written into the engine: names and labels as cri-dockerd has them, and how to read them back.
import type { ContainerSummary } from './engine.ts';

export const labels = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  type: 'io.kubernetes.docker.type',
  containerName: 'io.kubernetes.container.name',
  sandboxId: 'io.kubernetes.sandbox.id',
  logPath: 'io.kubernetes.container.logpath',
  hash: 'annotation.io.kubernetes.container.hash',
  restartCount: 'annotation.io.kubernetes.container.restartCount',
  messagePath: 'annotation.io.kubernetes.container.terminationMessagePath',
  messagePolicy: 'annotation.io.kubernetes.container.terminationMessagePolicy',
  podDeletionGrace: 'annotation.io.kubernetes.pod.deletionGracePeriod',
  podTerminationGrace: 'annotation.io.kubernetes.pod.terminationGracePeriod',
  preStop: 'annotation.io.kubernetes.container.preStopHandler',
  ports: 'annotation.io.kubernetes.container.ports',
  /** Ours: the node that made it, since several agents may share one engine. */
  node: 'io.nodelet.node',
  /** Ours: the image as the spec named it. The engine only keeps what it was created from. */
  image: 'io.nodelet.image',
  /** Ours: the pod whose image volume keeps the image here. Such a container never runs. */
  holdsImageFor: 'io.nodelet.holds-image-for',
  /** Ours: what a successor has to wait after this one's end, so that a crash loop outlives the agent. */
  backOff: 'io.nodelet.back-off-seconds',
} as const;

export interface PodIdentity {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
}

const podPart = (pod: PodIdentity): string => `${pod.name}_${pod.namespace}_${pod.uid}`;

export const sandboxName = (pod: PodIdentity, attempt: number): string => `k8s_POD_${podPart(pod)}_${attempt}`;

export const containerName = (pod: PodIdentity, container: string, restartCount: number): string =>
  `k8s_${container}_${podPart(pod)}_${restartCount}`;

export const podLabels = (pod: PodIdentity, nodeName: string): Record<string, string> => ({
  [labels.podName]: pod.name,
  [labels.podNamespace]: pod.namespace,
  [labels.podUid]: pod.uid,
  [labels.node]: nodeName,
});

export type Identity = { readonly pod: PodIdentity } & (
  | { readonly type: 'sandbox'; readonly attempt: number }
  | {
      readonly type: 'container';
      readonly container: string;
      readonly restartCount: number;
      readonly sandboxId: string;
    }
);

/**
 * Whose container this is. Undefined unless name and labels tell the same story: anybody who may speak to the engine can copy
 * labels, and what is not clearly ours is never touched.
 */
export function identityOf(summary: Pick<ContainerSummary, 'name' | 'labels'>): Identity | undefined {
  const read = (label: string): string => summary.labels[label] ?? '';
  const pod = { uid: read(labels.podUid), name: read(labels.podName), namespace: read(labels.podNamespace) };
  if (pod.uid === '' || pod.name === '' || pod.namespace === '') return undefined;
  const container = read(labels.containerName);
  const type = read(labels.type);
  const number = numberIn(summary.name, `k8s_${type === 'podsandbox' ? 'POD' : container}_${podPart(pod)}_`);
  if (number === undefined) return undefined;
  if (type === 'podsandbox') return { type: 'sandbox', pod, attempt: number };
  if (type !== 'container' || container === '') return undefined;
  return { type: 'container', pod, container, restartCount: number, sandboxId: read(labels.sandboxId) };
}

/** The attempt at a name's end; a name that was taken has "_<8 hex digits>" behind it. */
function numberIn(name: string, prefix: string): number | undefined {
  if (!name.startsWith(prefix)) return undefined;
  const match = /^(\d{1,9})(_[0-9a-f]{8})?$/.exec(name.slice(prefix.length));
  return match ? Number(match[1]) : undefined;
}
