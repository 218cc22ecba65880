// How many replicas each ReplicaSet of a Deployment shall have next: during a rollout, after a scaling, and when it recreates.
import type { Deployment, ReplicaSet } from '../../../../kube/types.ts';
import {
  availableOf,
  desiredAnnotation,
  limitsOf,
  maxAnnotation,
  maxSurgeOf,
  replicasOf,
  revisionOf,
  type Sets,
  sum,
} from './sets.ts';

/** Wanted sizes by the set's UID: only those that change, or whose size annotations must. */
export type Sizes = ReadonlyMap<string, number>;

const none: Sizes = new Map();
const uidOf = ({ metadata }: ReplicaSet): string => metadata.uid;
const isRunning = (one: ReplicaSet): boolean => replicasOf(one) > 0;
const allOf = ({ current, old }: Sets): ReplicaSet[] => (current ? [...old, current] : [...old]);

/** How many a new set may have now, when all sets together have `total`. */
export function roomForCurrent(deployment: Deployment, total: number, now: number): number {
  const wanted = replicasOf(deployment);
  if (deployment.spec.strategy?.type === 'Recreate') return wanted;
  const most = wanted + maxSurgeOf(deployment);
  return total >= most ? now : now + Math.min(most - total, wanted - now);
}

/** A rollout's next step: first up, then, in a later turn, down. */
export function rollingSizes(deployment: Deployment, sets: Sets): Sizes {
  const { current } = sets;
  if (!current) return none;
  const wanted = replicasOf(deployment);
  const now = replicasOf(current);
  const next = now > wanted ? wanted : roomForCurrent(deployment, sum(allOf(sets), replicasOf), now);
  if (next !== now) return new Map([[uidOf(current), next]]);
  return shrinkOld(deployment, current, sets.old);
}

/** Takes from old sets what is not needed for the minimum: unavailable pods first. */
function shrinkOld(deployment: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): Sizes {
  const least = replicasOf(deployment) - limitsOf(deployment).unavailable;
  const total = sum(old, replicasOf) + replicasOf(current);
  const budget = total - least - (replicasOf(current) - availableOf(current));
  if (sum(old, replicasOf) === 0 || budget <= 0) return none;
  const sizes = new Map<string, number>();
  const size = (one: ReplicaSet): number => sizes.get(uidOf(one)) ?? replicasOf(one);
  takeFrom(old, budget, (one) => size(one) - availableOf(one), sizes);
  const spare = sum([...old, current], availableOf) - least;
  takeFrom(old, spare, size, sizes);
  return sizes;
}

/** Spends `budget` on the sets in their order, from each at most what `spare` says. */
function takeFrom(
  from: readonly ReplicaSet[],
  budget: number,
  spare: (one: ReplicaSet) => number,
  sizes: Map<string, number>,
): void {
  let left = budget;
  for (const one of from) {
    const size = sizes.get(uidOf(one)) ?? replicasOf(one);
    const take = Math.min(left, spare(one), size);
    if (take <= 0) continue;
    sizes.set(uidOf(one), size - take);
    left -= take;
  }
}

/** Every old set goes to nothing. */
export const emptied = (old: readonly ReplicaSet[]): Sizes =>
  new Map(old.filter(isRunning).map((one) => [uidOf(one), 0]));

/** Somebody asked for another number: sets that run were sized for the old one. */
export function wasScaled(deployment: Deployment, sets: Sets): boolean {
  return allOf(sets)
    .filter(isRunning)
    .some(({ metadata }) => {
      const desired = metadata.annotations?.[desiredAnnotation];
      return desired !== undefined && Number(desired) !== replicasOf(deployment);
    });
}

/** After a scaling: one running set takes it all; several, in the middle of a rollout, share it by their sizes. */
export function scaledSizes(deployment: Deployment, sets: Sets): Sizes {
  const running = allOf(sets).filter(isRunning);
  const only = running.length === 0 ? (sets.current ?? sets.old.at(-1)) : running.length === 1 ? running[0] : undefined;
  const wanted = replicasOf(deployment);
  if (only) return replicasOf(only) === wanted ? none : new Map([[uidOf(only), wanted]]);
  if (isSaturated(deployment, sets.current)) return emptied(sets.old);
  return deployment.spec.strategy?.type === 'Recreate' ? none : shared(deployment, running);
}

function isSaturated(deployment: Deployment, current: ReplicaSet | undefined): boolean {
  const wanted = replicasOf(deployment);
  return (
    current !== undefined &&
    replicasOf(current) === wanted &&
    Number(current.metadata.annotations?.[desiredAnnotation] ?? Number.NaN) === wanted &&
    availableOf(current) === wanted
  );
}

function shared(deployment: Deployment, running: readonly ReplicaSet[]): Sizes {
  const wanted = replicasOf(deployment);
  const allowed = wanted > 0 ? wanted + maxSurgeOf(deployment) : 0;
  const toAdd = allowed - sum(running, replicasOf);
  // Growing favours the newest of equal sets, shrinking the oldest.
  const age = (a: ReplicaSet, b: ReplicaSet): number => revisionOf(a) - revisionOf(b);
  const order = [...running].sort((a, b) => replicasOf(b) - replicasOf(a) || (toAdd > 0 ? age(b, a) : age(a, b)));
  const sizes = new Map<string, number>();
  let added = 0;
  for (const one of order) {
    const share = shareOf(one, deployment, toAdd, added);
    sizes.set(uidOf(one), replicasOf(one) + share);
    added += share;
  }
  const [largest] = order;
  // What rounding left over goes to the largest.
  if (largest) sizes.set(uidOf(largest), Math.max(0, (sizes.get(uidOf(largest)) ?? 0) + toAdd - added));
  return sizes;
}

function shareOf(one: ReplicaSet, deployment: Deployment, toAdd: number, added: number): number {
  if (toAdd === 0 || toAdd === added) return 0;
  const fraction = fractionOf(one, deployment);
  return toAdd > 0 ? Math.min(fraction, toAdd - added) : Math.max(fraction, toAdd - added);
}

function fractionOf(one: ReplicaSet, deployment: Deployment): number {
  const wanted = replicasOf(deployment);
  const size = replicasOf(one);
  if (wanted === 0) return -size;
  const before = Number(one.metadata.annotations?.[maxAnnotation] ?? Number.NaN);
  const whole = before > 0 ? before : (one.status?.replicas ?? 0);
  if (whole === 0) return 0;
  return Math.round((size * (wanted + maxSurgeOf(deployment))) / whole) - size;
}
