// What a StatefulSet does next: pods in the order of their ordinals, up, down and anew, one at a time unless they may all go at once.
import { pods, statefulSets } from '../../../../kube/resources.ts';
import { selectorOf } from '../../../../kube/selectors.ts';
import type { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet } from '../../../../kube/types.ts';
import { type Action, nothing, type Outcome } from '../../../model.ts';
import { claim } from '../ownership.ts';
import { isFinished, isReady } from '../pod-conditions.ts';
import { isAvailable, nextAvailability } from '../pods-of.ts';
import {
  forgetRevisions,
  hashOfRevision,
  type Revisions,
  revisionLabel,
  revisionsOf,
  templateOf,
} from '../revisions.ts';
import { sameContent } from '../same.ts';
import { createPod, deletePod, firstOrdinal, missingClaims, ordinalOf } from './pods.ts';

export interface StatefulSight {
  readonly set: StatefulSet;
  /** Of the namespace. */
  readonly pods: readonly Pod[];
  readonly revisions: readonly ControllerRevision[];
  readonly claim: (name: string) => PersistentVolumeClaim | undefined;
  readonly mayAdopt: boolean;
}

interface Scene {
  readonly set: StatefulSet;
  readonly revisions: Revisions;
  /** The revision that pods below the partition keep. */
  readonly current: ControllerRevision;
  readonly byOrdinal: ReadonlyMap<number, Pod>;
  readonly wanted: readonly number[];
  /** Highest first. */
  readonly condemned: readonly Pod[];
  readonly claim: StatefulSight['claim'];
  readonly isWell: (pod: Pod) => boolean;
}

export function planStatefulSet(sight: StatefulSight, nowMs: number): Outcome {
  const { set } = sight;
  const selector = selectorOf(set.spec.selector);
  if (selector.length === 0) return nothing;
  const named = sight.pods.filter((pod) => ordinalOf(set, pod) !== undefined);
  const { owned, actions } = claim(pods, set, selector, named, sight.mayAdopt);
  const revisions = revisionsOf(set, selector, sight.revisions);
  const scene = sceneOf(sight, owned, revisions, nowMs);
  const status = statusOf(scene, owned, nowMs);
  const changes = set.metadata.deletionTimestamp ? [] : planPods(scene);
  const inUse = new Set([
    ...[status.currentRevision ?? '', status.updateRevision ?? ''],
    ...owned.map(({ metadata }) => metadata.labels?.[revisionLabel] ?? ''),
  ]);
  return {
    actions: [
      ...actions,
      ...revisions.actions,
      ...planStatus(set, status),
      ...changes,
      ...forgetRevisions(revisions, inUse, set.spec.revisionHistoryLimit),
    ],
    ...nextAvailability(owned, set.spec.minReadySeconds ?? 0, nowMs),
  };
}

function sceneOf(sight: StatefulSight, owned: readonly Pod[], revisions: Revisions, nowMs: number): Scene {
  const { set } = sight;
  const first = firstOrdinal(set);
  const count = set.spec.replicas ?? 1;
  const byOrdinal = new Map(owned.map((pod) => [ordinalOf(set, pod) ?? -1, pod]));
  const inRange = (ordinal: number): boolean => ordinal >= first && ordinal < first + count;
  const { currentRevision } = set.status ?? {};
  return {
    set,
    revisions,
    current: revisions.all.find(({ metadata }) => metadata.name === currentRevision) ?? revisions.update,
    byOrdinal,
    wanted: Array.from({ length: count }, (_, index) => first + index),
    condemned: [...byOrdinal]
      .filter(([ordinal]) => !inRange(ordinal))
      .sort(([a], [b]) => b - a)
      .map(([, pod]) => pod),
    claim: sight.claim,
    isWell: (pod) => !pod.metadata.deletionTimestamp && isAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs),
  };
}

const isOrdered = ({ spec }: StatefulSet): boolean => spec.podManagementPolicy !== 'Parallel';
const hashOfPod = ({ metadata }: Pod): string => metadata.labels?.[revisionLabel] ?? '';

function planPods(scene: Scene): Action[] {
  const { set, wanted, condemned } = scene;
  const filled: Action[] = [];
  for (const ordinal of wanted) {
    const step = planOrdinal(scene, ordinal);
    filled.push(...step.actions);
    if (step.waits && isOrdered(set)) return filled;
  }
  if (filled.length > 0) return [...filled, ...(isOrdered(set) ? [] : removeCondemned(scene))];
  return condemned.length > 0 ? removeCondemned(scene) : planRollout(scene);
}

/** `waits`: pods of higher ordinals come later. */
function planOrdinal(scene: Scene, ordinal: number): { actions: Action[]; waits: boolean } {
  const { set, byOrdinal, claim: claimOf, isWell } = scene;
  const pod = byOrdinal.get(ordinal);
  if (!pod) {
    const revision = revisionFor(scene, ordinal);
    const made = createPod(set, ordinal, templateOf(revision), hashOfRevision(revision));
    return { actions: [...missingClaims(set, ordinal, claimOf), ...made], waits: true };
  }
  if (isFinished(pod) && !pod.metadata.deletionTimestamp) return { actions: recreate(set, pod), waits: true };
  return { actions: [], waits: !isWell(pod) };
}

function recreate(set: StatefulSet, pod: Pod): Action[] {
  const { namespace, name } = set.metadata;
  const failed = pod.status?.phase === 'Failed';
  const message = `StatefulSet ${namespace}/${name} is recreating ${failed ? 'failed' : 'terminated'} Pod ${pod.metadata.name}`;
  const reason = failed ? 'RecreatingFailedPod' : 'RecreatingTerminatedPod';
  return [
    { do: 'Event', about: set, type: failed ? 'Warning' : 'Normal', reason, message },
    ...deletePod(set, pod, 'it has ended'),
  ];
}

/** Pods below the partition are made as they were. */
function revisionFor({ set, current, revisions }: Scene, ordinal: number): ControllerRevision {
  const { type, rollingUpdate } = set.spec.updateStrategy ?? {};
  if (type !== 'RollingUpdate') return revisions.update;
  const partition = rollingUpdate?.partition ?? 0;
  return ordinal < firstOrdinal(set) + partition ? current : revisions.update;
}

function removeCondemned({ set, condemned, byOrdinal, wanted, isWell }: Scene): Action[] {
  const because = `${wanted.length} replicas are wanted`;
  if (!isOrdered(set)) {
    const living = condemned.filter(({ metadata }) => !metadata.deletionTimestamp);
    return living.flatMap((pod) => deletePod(set, pod, because));
  }
  const [highest] = condemned;
  if (!highest || highest.metadata.deletionTimestamp) return [];
  // One that is unwell may go; others wait until the lowest that is unwell has recovered.
  const unwell = [...wanted.flatMap((one) => byOrdinal.get(one) ?? []), ...condemned.toReversed()].find(
    (pod) => !isWell(pod),
  );
  return unwell && unwell !== highest ? [] : deletePod(set, highest, because);
}

/** From the highest ordinal down to the partition, each only when those above are well. */
function planRollout(scene: Scene): Action[] {
  const { set, wanted, byOrdinal, revisions, isWell } = scene;
  const { type, rollingUpdate } = set.spec.updateStrategy ?? {};
  if (type !== 'RollingUpdate') return [];
  const hash = hashOfRevision(revisions.update);
  const least = firstOrdinal(set) + (rollingUpdate?.partition ?? 0);
  for (const ordinal of wanted.filter((one) => one >= least).toReversed()) {
    const pod = byOrdinal.get(ordinal);
    if (!pod) return [];
    if (hashOfPod(pod) !== hash && !pod.metadata.deletionTimestamp)
      return deletePod(set, pod, 'it has an old template');
    if (!isWell(pod)) return [];
  }
  return [];
}

type Status = NonNullable<StatefulSet['status']>;

function statusOf({ set, revisions, current }: Scene, owned: readonly Pod[], nowMs: number): Status {
  const living = owned.filter(({ metadata }) => !metadata.deletionTimestamp);
  const of = (revision: ControllerRevision): number =>
    living.filter((pod) => hashOfPod(pod) === hashOfRevision(revision)).length;
  const ready = owned.filter(isReady).length;
  const updated = of(revisions.update);
  const wanted = set.spec.replicas ?? 1;
  const isRolling = set.spec.updateStrategy?.type === 'RollingUpdate';
  const through = isRolling && updated === wanted && ready === wanted && owned.length === wanted;
  const now = through ? revisions.update : current;
  const optional = { readyReplicas: ready, currentReplicas: of(now), updatedReplicas: updated };
  const { collisionCount = 0, conditions } = set.status ?? {};
  return {
    ...(set.metadata.generation === undefined ? {} : { observedGeneration: set.metadata.generation }),
    replicas: owned.length,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value > 0)),
    availableReplicas: owned.filter((pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs)).length,
    currentRevision: now.metadata.name,
    updateRevision: revisions.update.metadata.name,
    collisionCount,
    ...(conditions ? { conditions } : {}),
  };
}

function planStatus(set: StatefulSet, status: Status): Action[] {
  if (sameContent(set.status, status)) return [];
  const because = `it has ${status.replicas} pods, ${status.readyReplicas ?? 0} ready, ${status.updatedReplicas ?? 0} updated`;
  const object = { ...set, status } as StatefulSet;
  return [{ do: 'Update', of: statefulSets, object, subresource: 'status', because }];
}
