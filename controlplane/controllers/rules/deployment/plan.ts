// What a Deployment does next: make or find the set of its template, resize sets, forget old ones, tell its status.
import { deployments, replicaSets } from '../../../../kube/resources.ts';
import { selectorOf } from '../../../../kube/selectors.ts';
import type { Deployment, Pod, ReplicaSet } from '../../../../kube/types.ts';
import { type Action, nothing, type Outcome } from '../../../model.ts';
import { type Condition, conditionOf, withCondition } from '../conditions.ts';
import { claim, ownerReference } from '../ownership.ts';
import { isFinished } from '../pod-conditions.ts';
import { sameContent } from '../same.ts';
import {
  currentAnnotations,
  hashLabel,
  inheritedAnnotations,
  nextRevision,
  replicasOf,
  revisionAnnotation,
  revisionOf,
  type Sets,
  sizeAnnotations,
  sortSets,
  sum,
  templateHash,
} from './sets.ts';
import { emptied, rollingSizes, roomForCurrent, type Sizes, scaledSizes, wasScaled } from './sizes.ts';
import {
  condition,
  conditionsOf,
  countsOf,
  type DeploymentStatus,
  deadlineMs,
  hasDeadline,
  isComplete,
  rolloutStatus,
} from './status.ts';

export interface DeploymentSight {
  readonly deployment: Deployment;
  /** All of the namespace. */
  readonly sets: readonly ReplicaSet[];
  /** The pods of a set, by its UID. */
  readonly podsOf: (uid: string) => readonly Pod[];
  /** The server itself has just said that the Deployment lives. */
  readonly mayAdopt: boolean;
}

export function planDeployment(sight: DeploymentSight, nowMs: number): Outcome {
  const { deployment } = sight;
  const selector = selectorOf(deployment.spec.selector);
  if (selector.length === 0) return nothing;
  const { owned, actions } = claim(replicaSets, deployment, selector, sight.sets, sight.mayAdopt);
  const sets = sortSets(deployment, owned);
  const rest = planSets(sight, sets, nowMs);
  return { ...rest, actions: [...actions, ...rest.actions] };
}

function planSets(sight: DeploymentSight, sets: Sets, nowMs: number): Outcome {
  const { deployment } = sight;
  const conditions = pauseConditions(deployment, nowMs);
  const step: Step = { before: deployment, deployment, sets, conditions, nowMs };
  if (deployment.metadata.deletionTimestamp)
    return { actions: planStatus(step, countsOf(deployment, sets, conditions, nowMs)) };
  if (deployment.spec.paused || wasScaled(deployment, sets)) return planScaling(step);
  return deployment.spec.strategy?.type === 'Recreate' ? planRecreation(step, sight) : planRolling(step, sight);
}

interface Step {
  /** As it was looked at; `deployment` has this turn's findings written in. */
  readonly before: Deployment;
  readonly deployment: Deployment;
  readonly sets: Sets;
  readonly conditions: readonly Condition[];
  readonly nowMs: number;
}

function pauseConditions(deployment: Deployment, nowMs: number): Condition[] {
  const known = conditionsOf(deployment);
  const progressing = conditionOf(known, 'Progressing');
  if (!hasDeadline(deployment) || progressing?.reason === 'ProgressDeadlineExceeded') return known;
  const wasPaused = progressing?.reason === 'DeploymentPaused';
  if (deployment.spec.paused === true && !wasPaused)
    return withCondition(known, condition('Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused', nowMs));
  if (deployment.spec.paused !== true && wasPaused)
    return withCondition(
      known,
      condition('Progressing', 'Unknown', 'DeploymentResumed', 'Deployment is resumed', nowMs),
    );
  return known;
}

/** Only the number changes: no new set is made. */
function planScaling(step: Step): Outcome {
  const { deployment, sets, nowMs } = step;
  const found = findCurrent(step);
  return {
    actions: [
      ...found.actions,
      ...resize(deployment, sets, scaledSizes(deployment, sets), 'the wanted number changed'),
      ...(deployment.spec.paused ? forgetOld(deployment, sets.old) : []),
      ...planStatus(found.step, countsOf(deployment, sets, found.step.conditions, nowMs)),
    ],
  };
}

function planRolling(step: Step, sight: DeploymentSight): Outcome {
  const { deployment, sets } = step;
  const found = sets.current ? findCurrent(step) : makeCurrent(step, sight);
  const sizes = sets.current ? rollingSizes(deployment, sets) : new Map<string, number>();
  const because = 'the rollout goes on';
  return rollout(found, [...found.actions, ...resize(deployment, sets, sizes, because)], sizes.size === 0);
}

function planRecreation(step: Step, sight: DeploymentSight): Outcome {
  const { deployment, sets } = step;
  const down = emptied(sets.old);
  const found = findCurrent(step);
  if (down.size > 0) {
    return rollout(found, [...found.actions, ...resize(deployment, sets, down, 'all old pods go first')], false);
  }
  const running = sets.old.some(({ metadata }) => sight.podsOf(metadata.uid).some((pod) => !isFinished(pod)));
  if (running) return rollout(found, found.actions, false);
  if (!sets.current) {
    const made = makeCurrent(step, sight);
    return rollout(made, made.actions, true);
  }
  const { uid } = sets.current.metadata;
  const wanted = replicasOf(deployment);
  const up: Sizes = replicasOf(sets.current) === wanted ? new Map() : new Map([[uid, wanted]]);
  return rollout(found, [...found.actions, ...resize(deployment, sets, up, 'all old pods are gone')], up.size === 0);
}

interface Found {
  readonly step: Step;
  readonly actions: readonly Action[];
}

/** `settled`: nothing was resized in this turn, so old sets may be forgotten when all is through. */
function rollout({ step }: Found, actions: readonly Action[], settled: boolean): Outcome {
  const { deployment, sets, conditions, nowMs } = step;
  const status = rolloutStatus(deployment, sets, conditions, nowMs);
  const due = deadlineMs(deployment, (status.conditions ?? []) as Condition[]);
  const through = settled && isComplete(deployment, status);
  return {
    actions: [...actions, ...(through ? forgetOld(deployment, sets.old) : []), ...planStatus(step, status)],
    ...(due === undefined || isComplete(deployment, status) ? {} : { againInMs: Math.max(1000, due - nowMs + 1000) }),
  };
}

/** The set of the current template gets its revision; the Deployment takes the same. */
function findCurrent(step: Step): Found {
  const { deployment, sets, conditions, nowMs } = step;
  const { current, old } = sets;
  if (!current) return { step, actions: [] };
  const revision = Math.max(nextRevision(old), revisionOf(current));
  const annotations = currentAnnotations(deployment, current, revision);
  const { minReadySeconds = 0 } = deployment.spec;
  const changed =
    !sameContent(annotations, current.metadata.annotations) || (current.spec.minReadySeconds ?? 0) !== minReadySeconds;
  const { name, namespace, uid } = current.metadata;
  const body = { metadata: { uid, annotations }, spec: { minReadySeconds } };
  const actions: Action[] = changed
    ? [
        {
          do: 'Patch',
          of: replicaSets,
          at: { namespace, name },
          patch: { type: 'strategic', body },
          because: `it is revision ${revision} of its deployment`,
        },
      ]
    : [];
  const message = `Found new replica set "${name}"`;
  const isNews = hasDeadline(deployment) && !conditionOf(conditions, 'Progressing');
  const told = isNews
    ? withCondition(conditions, condition('Progressing', 'True', 'FoundNewReplicaSet', message, nowMs))
    : conditions;
  return { step: { ...step, deployment: withRevision(deployment, String(revision)), conditions: told }, actions };
}

function makeCurrent(step: Step, { sets: all }: DeploymentSight): Found {
  const { deployment, sets, conditions, nowMs } = step;
  const hash = templateHash(deployment);
  const name = `${deployment.metadata.name}-${hash}`;
  const taken = all.find(({ metadata }) => metadata.name === name);
  if (taken) return { step: collided(step), actions: [] };
  const revision = String(nextRevision(sets.old));
  const replicas = roomForCurrent(deployment, sum(sets.old, replicasOf), 0);
  const because = 'no replica set has the current template';
  const actions: Action[] = [
    { do: 'Create', of: replicaSets, object: newSet(deployment, name, hash, revision, replicas), because },
  ];
  if (replicas > 0) actions.push(scalingEvent(deployment, name, 0, replicas));
  const message = `Created new replica set "${name}"`;
  const told = hasDeadline(deployment)
    ? withCondition(conditions, condition('Progressing', 'True', 'NewReplicaSetCreated', message, nowMs))
    : conditions;
  return { step: { ...step, deployment: withRevision(deployment, revision), conditions: told }, actions };
}

/** Somebody else's set has the name: the next turn makes another one. */
function collided(step: Step): Step {
  const { deployment } = step;
  const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
  return { ...step, deployment: { ...deployment, status: { ...deployment.status, collisionCount } } };
}

function newSet(deployment: Deployment, name: string, hash: string, revision: string, replicas: number) {
  const { template, selector, minReadySeconds } = deployment.spec;
  const labels = { ...template.metadata?.labels, [hashLabel]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name,
      namespace: deployment.metadata.namespace,
      labels,
      annotations: {
        ...inheritedAnnotations(deployment),
        ...sizeAnnotations(deployment),
        [revisionAnnotation]: revision,
      },
      ownerReferences: [ownerReference(deployment)],
    },
    spec: {
      replicas,
      ...(minReadySeconds ? { minReadySeconds } : {}),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

function withRevision(deployment: Deployment, revision: string): Deployment {
  const annotations = { ...deployment.metadata.annotations, [revisionAnnotation]: revision };
  return { ...deployment, metadata: { ...deployment.metadata, annotations } };
}

function resize(deployment: Deployment, { current, old }: Sets, sizes: Sizes, because: string): Action[] {
  const all = current ? [...old, current] : old;
  return all.flatMap((one): Action[] => {
    const { name, namespace, uid, annotations = {} } = one.metadata;
    const replicas = sizes.get(uid);
    const wanted = sizeAnnotations(deployment);
    const stale = Object.entries(wanted).some(([key, value]) => annotations[key] !== value);
    const from = replicasOf(one);
    if (replicas === undefined ? !stale || from === 0 : replicas === from && !stale) return [];
    const body = { metadata: { uid, annotations: wanted }, spec: { replicas: replicas ?? from } };
    const patch = { type: 'strategic', body } as const;
    const write: Action = { do: 'Patch', of: replicaSets, at: { namespace, name }, patch, because };
    if (replicas === undefined || replicas === from) return [write];
    return [write, scalingEvent(deployment, name, from, replicas)];
  });
}

function scalingEvent(about: Deployment, name: string, from: number, to: number): Action {
  const message = `Scaled ${to > from ? 'up' : 'down'} replica set ${name} from ${from} to ${to}`;
  return { do: 'Event', about, type: 'Normal', reason: 'ScalingReplicaSet', message };
}

/** Old sets that are empty and beyond the number to remember. */
function forgetOld(deployment: Deployment, old: readonly ReplicaSet[]): Action[] {
  const limit = deployment.spec.revisionHistoryLimit;
  if (limit === undefined) return [];
  const there = old.filter(({ metadata }) => !metadata.deletionTimestamp);
  return [...there]
    .sort((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, Math.max(0, there.length - limit))
    .filter(isEmpty)
    .map(({ metadata: { namespace, name, uid } }) => ({
      do: 'Delete',
      of: replicaSets,
      at: { namespace, name },
      options: { preconditions: { uid }, propagationPolicy: 'Background' },
      because: `${limit} old revisions are remembered`,
    }));
}

const isEmpty = (one: ReplicaSet): boolean =>
  replicasOf(one) === 0 &&
  (one.status?.replicas ?? 0) === 0 &&
  (one.metadata.generation ?? 0) <= (one.status?.observedGeneration ?? 0);

function planStatus({ before, deployment }: Step, status: DeploymentStatus): Action[] {
  const same =
    sameContent(before.status, status) && sameContent(before.metadata.annotations, deployment.metadata.annotations);
  if (same) return [];
  return [
    {
      do: 'Update',
      of: deployments,
      object: { ...deployment, status } as Deployment,
      subresource: 'status',
      because: 'its replica sets changed',
    },
  ];
}
