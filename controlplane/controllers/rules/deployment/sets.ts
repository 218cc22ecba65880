// The ReplicaSets of a Deployment: which one is the current template's, which are old, and what their annotations remember.
import { createHash } from 'node:crypto';
import type { Deployment, ReplicaSet } from '../../../../kube/types.ts';
import { countOf } from '../counts.ts';
import { canonical } from '../same.ts';

export const hashLabel = 'pod-template-hash';
export const revisionAnnotation = 'deployment.kubernetes.io/revision';
const historyAnnotation = 'deployment.kubernetes.io/revision-history';
export const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxAnnotation = 'deployment.kubernetes.io/max-replicas';
/** They speak of one object alone. */
const own = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  historyAnnotation,
  desiredAnnotation,
  maxAnnotation,
  'deprecated.deployment.rollback.to',
]);
const longestHistory = 2000;

export const replicasOf = ({ spec }: { spec: { replicas?: number } }): number => spec.replicas ?? 1;
export const sum = (all: readonly ReplicaSet[], count: (one: ReplicaSet) => number): number =>
  all.reduce((total, one) => total + count(one), 0);
export const availableOf = ({ status }: ReplicaSet): number => status?.availableReplicas ?? 0;

const isRolling = ({ spec }: Deployment): boolean => spec.strategy?.type !== 'Recreate';

/** Pods above the wanted number, and pods below it, that a rollout may have; never both none. */
export function limitsOf(deployment: Deployment): { surge: number; unavailable: number } {
  const { rollingUpdate = {} } = deployment.spec.strategy ?? {};
  const replicas = replicasOf(deployment);
  if (!isRolling(deployment) || replicas === 0) return { surge: 0, unavailable: 0 };
  const surge = countOf(rollingUpdate.maxSurge, replicas, 'up');
  const unavailable = countOf(rollingUpdate.maxUnavailable, replicas, 'down');
  if (surge === 0 && unavailable === 0) return { surge, unavailable: 1 };
  return { surge, unavailable: Math.min(unavailable, replicas) };
}

/** The surge as the spec says it, whatever the other limit is. */
export const maxSurgeOf = (deployment: Deployment): number =>
  isRolling(deployment) ? countOf(deployment.spec.strategy?.rollingUpdate?.maxSurge, replicasOf(deployment), 'up') : 0;

function templateText({ spec }: Deployment | ReplicaSet): string {
  const { template } = spec;
  const { [hashLabel]: _, ...labels } = template?.metadata?.labels ?? {};
  return canonical({ ...template, metadata: { ...template?.metadata, labels } });
}

const byCreation = (a: ReplicaSet, b: ReplicaSet): number => {
  const [left, right] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
};

export interface Sets {
  /** Has the current template. */
  readonly current: ReplicaSet | undefined;
  /** Oldest first. */
  readonly old: readonly ReplicaSet[];
}

export function sortSets(deployment: Deployment, owned: readonly ReplicaSet[]): Sets {
  const ordered = [...owned].sort(byCreation);
  const wanted = templateText(deployment);
  // The oldest of several: then all loops that look agree.
  const current = ordered.find((one) => templateText(one) === wanted);
  return { current, old: ordered.filter((one) => one !== current) };
}

const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** Names a template; another try after a collision names it differently. */
export function templateHash(deployment: Deployment): string {
  const { collisionCount = 0 } = deployment.status ?? {};
  const digest = createHash('sha256')
    .update(`${templateText(deployment)}${collisionCount}`)
    .digest();
  return [...digest.subarray(0, 10)].map((byte) => alphabet[byte % alphabet.length]).join('');
}

export const revisionOf = ({ metadata }: { metadata: { annotations?: Record<string, string> } }): number =>
  Number(metadata.annotations?.[revisionAnnotation] ?? 0) || 0;

export const nextRevision = (old: readonly ReplicaSet[]): number => Math.max(0, ...old.map(revisionOf)) + 1;

/** What a Deployment's ReplicaSets take over from its annotations. */
export function inheritedAnnotations({ metadata }: Deployment): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata.annotations ?? {}).filter(([key]) => !own.has(key)));
}

export const sizeAnnotations = (deployment: Deployment): Record<string, string> => ({
  [desiredAnnotation]: String(replicasOf(deployment)),
  [maxAnnotation]: String(replicasOf(deployment) + maxSurgeOf(deployment)),
});

/** The annotations that the current set should have; a set that is current again remembers the revisions that it was. */
export function currentAnnotations(
  deployment: Deployment,
  current: ReplicaSet,
  revision: number,
): Record<string, string> {
  const known = current.metadata.annotations ?? {};
  const annotations = { ...known, ...inheritedAnnotations(deployment) };
  const before = revisionOf(current);
  if (before >= revision) return annotations;
  annotations[revisionAnnotation] = String(revision);
  if (before === 0) return annotations;
  const history = [known[historyAnnotation], String(before)].filter(Boolean).join(',');
  annotations[historyAnnotation] = shortened(history);
  return annotations;
}

/** The oldest revisions are forgotten first. */
function shortened(history: string): string {
  let text = history;
  while (text.length > longestHistory && text.includes(',')) text = text.slice(text.indexOf(',') + 1);
  return text;
}
