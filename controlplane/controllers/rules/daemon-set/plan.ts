// What a DaemonSet does next: a pod on every node that should have one, none elsewhere, new ones for old a few at a time.
import { daemonSets, pods } from '../../../../kube/resources.ts';
import { selectorOf } from '../../../../kube/selectors.ts';
import type { ControllerRevision, DaemonSet, Node, Pod } from '../../../../kube/types.ts';
import { type Action, nothing, type Outcome } from '../../../model.ts';
import { countOf } from '../counts.ts';
import { claim } from '../ownership.ts';
import { isReady } from '../pod-conditions.ts';
import { deletePod, isAvailable, nextAvailability, podFromTemplate } from '../pods-of.ts';
import { forgetRevisions, hashOfRevision, type Revisions, revisionLabel, revisionsOf } from '../revisions.ts';
import { sameContent } from '../same.ts';
import { type NodeVerdict, nodeNameOf, templateFor, verdictOf } from './nodes.ts';

export interface DaemonSight {
  readonly set: DaemonSet;
  readonly nodes: readonly Node[];
  /** Of the namespace. */
  readonly pods: readonly Pod[];
  readonly revisions: readonly ControllerRevision[];
  readonly mayAdopt: boolean;
  /** Node selector and affinity, as the scheduler reads them. */
  readonly fits: (node: Node) => boolean;
}

interface Place {
  readonly node: Node;
  readonly verdict: NodeVerdict;
  /** Oldest first. */
  readonly pods: readonly Pod[];
}

const byAge = (a: Pod, b: Pod): number =>
  `${a.metadata.creationTimestamp}${a.metadata.name}` < `${b.metadata.creationTimestamp}${b.metadata.name}` ? -1 : 1;

export function planDaemonSet(sight: DaemonSight, nowMs: number): Outcome {
  const { set, nodes, fits } = sight;
  const selector = selectorOf(set.spec.selector);
  if (selector.length === 0) return nothing;
  const { owned, actions } = claim(pods, set, selector, sight.pods, sight.mayAdopt);
  const byNode = Map.groupBy(owned, (pod) => nodeNameOf(pod) ?? '');
  const places = nodes.map((node): Place => {
    const here = (byNode.get(node.metadata.name) ?? []).sort(byAge);
    return { node, verdict: verdictOf(set, node, fits(node)), pods: here };
  });
  const revisions = revisionsOf(set, selector, sight.revisions);
  const status = statusOf(set, places, hashOfRevision(revisions.update), nowMs);
  const changes = set.metadata.deletionTimestamp ? [] : planPods(set, places, revisions, nowMs);
  return {
    actions: [...actions, ...revisions.actions, ...planStatus(set, status), ...changes],
    ...nextAvailability(owned, set.spec.minReadySeconds ?? 0, nowMs),
  };
}

function planPods(set: DaemonSet, places: readonly Place[], revisions: Revisions, nowMs: number): Action[] {
  const hash = hashOfRevision(revisions.update);
  const changes = places.flatMap((place) => planPlace(set, place, hash));
  if (changes.length > 0) return changes;
  const inUse = new Set(
    places.flatMap(({ pods: here }) => here.map((pod) => pod.metadata.labels?.[revisionLabel] ?? '')),
  );
  const rolled = set.spec.updateStrategy?.type === 'OnDelete' ? [] : planRollout(set, places, hash, nowMs);
  return rolled.length > 0 ? rolled : forgetRevisions(revisions, inUse, set.spec.revisionHistoryLimit);
}

function planPlace(set: DaemonSet, { node, verdict, pods: here }: Place, hash: string): Action[] {
  const { name } = node.metadata;
  const living = here.filter(({ metadata }) => !metadata.deletionTimestamp);
  if (!verdict.mayStay) return living.map((pod) => deletePod(pod, set, `node ${name} should not run it`));
  if (!verdict.shouldRun) return [];
  if (here.length === 0)
    return [podFromTemplate(templateFor(set.spec.template, name, hash), set, `node ${name} has none`)];
  const ended = living.filter(({ status }) => status?.phase === 'Failed' || status?.phase === 'Succeeded');
  const running = living.filter((pod) => !ended.includes(pod));
  return [
    ...ended.flatMap((pod) => replaceEnded(set, pod, name)),
    // The oldest stays.
    ...running.slice(1).map((pod) => deletePod(pod, set, `node ${name} has more than one`)),
  ];
}

function replaceEnded(set: DaemonSet, pod: Pod, nodeName: string): Action[] {
  const failed = pod.status?.phase === 'Failed';
  const what = `${pod.metadata.namespace}/${pod.metadata.name} on node ${nodeName}`;
  const message = failed
    ? `Found failed daemon pod ${what}, will try to kill it`
    : `Found succeeded daemon pod ${what}, will try to delete it`;
  const event = failed
    ? ({ type: 'Warning', reason: 'FailedDaemonPod' } as const)
    : ({ type: 'Normal', reason: 'SucceededDaemonPod' } as const);
  return [{ do: 'Event', about: set, ...event, message }, deletePod(pod, set, 'it has ended')];
}

/** Old pods go a few at a time; those that are of no use anyway go at once. */
function planRollout(set: DaemonSet, places: readonly Place[], hash: string, nowMs: number): Action[] {
  const wanted = places.filter(({ verdict }) => verdict.shouldRun);
  const { maxUnavailable = 1, maxSurge = 0 } = set.spec.updateStrategy?.rollingUpdate ?? {};
  const limit = countOf(maxUnavailable, wanted.length, 'up') || countOf(maxSurge, wanted.length, 'up');
  const current = wanted.map(({ pods: here }) => here.find(({ metadata }) => !metadata.deletionTimestamp));
  const isUseful = (pod: Pod): boolean => isAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs);
  const unavailable = current.filter((pod) => !pod || !isUseful(pod)).length;
  const old = current.filter((pod) => pod !== undefined && pod.metadata.labels?.[revisionLabel] !== hash) as Pod[];
  const useless = old.filter((pod) => !isUseful(pod));
  const useful = old.filter(isUseful).slice(0, Math.max(0, limit - unavailable));
  return [...useless, ...useful].map((pod) => deletePod(pod, set, 'it has an old template'));
}

type Status = NonNullable<DaemonSet['status']>;

function statusOf(set: DaemonSet, places: readonly Place[], hash: string, nowMs: number): Status {
  const running = ({ pods: here }: Place): Pod | undefined =>
    here.find(({ metadata }) => !metadata.deletionTimestamp) ?? here[0];
  const wanted = places.filter(({ verdict }) => verdict.shouldRun);
  const there = wanted.flatMap((place) => running(place) ?? []);
  const ready = there.filter(isReady);
  const available = there.filter((pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs)).length;
  const updated = there.filter(({ metadata }) => metadata.labels?.[revisionLabel] === hash).length;
  const misplaced = places.filter(({ verdict, pods: here }) => !verdict.shouldRun && here.length > 0).length;
  const optional = {
    updatedNumberScheduled: updated,
    numberAvailable: available,
    numberUnavailable: wanted.length - available,
  };
  const { collisionCount } = set.status ?? {};
  return {
    currentNumberScheduled: there.length,
    numberMisscheduled: misplaced,
    desiredNumberScheduled: wanted.length,
    numberReady: ready.length,
    ...(set.metadata.generation === undefined ? {} : { observedGeneration: set.metadata.generation }),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value > 0)),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    ...(set.status?.conditions ? { conditions: set.status.conditions } : {}),
  };
}

function planStatus(set: DaemonSet, status: Status): Action[] {
  if (sameContent(set.status, status)) return [];
  const because = `${status.desiredNumberScheduled} nodes want it, ${status.numberReady} have it ready`;
  return [{ do: 'Update', of: daemonSets, object: { ...set, status } as DaemonSet, subresource: 'status', because }];
}
