// Which records of ended containers and sandboxes are too many, over all pods of the node.
import type { ObservedContainer, ObservedPod, ObservedSandbox } from '../../model.ts';

export interface CollectionLimits {
  /** maximum-dead-containers-per-container; at least one is kept for logs and restart counts. */
  readonly perContainer: number;
  /** maximum-dead-containers; negative: no limit. */
  readonly total: number;
  /** minimum-container-ttl-duration */
  readonly minAgeMs: number;
}

export interface Waste {
  readonly containers: readonly { readonly pod: ObservedPod; readonly container: ObservedContainer }[];
  readonly sandboxes: readonly ObservedSandbox[];
}

/** Newest first within a name, as the look gives them. */
function deadByName({ containers }: ObservedPod): ObservedContainer[][] {
  const ended = containers.filter(({ phase }) => phase === 'exited');
  return [...Map.groupBy(ended, ({ name }) => name).values()];
}

/** Oldest first. The newest of each name stays even then: it tells what became of the container. */
export function deadBeyondLimits(pods: readonly ObservedPod[], limits: CollectionLimits, nowMs: number): Waste {
  const records = pods.flatMap((pod) =>
    deadByName(pod).flatMap((list) =>
      list.map((container, at) => ({ pod, container, at, isRipe: nowMs - container.createdAtMs >= limits.minAgeMs })),
    ),
  );
  const extra = records.filter(({ at, isRipe }) => isRipe && at >= Math.max(1, limits.perContainer));
  const kept = records
    .filter((record) => !extra.includes(record))
    .sort((a, b) => a.container.createdAtMs - b.container.createdAtMs);
  const tooMany = limits.total < 0 ? 0 : Math.max(0, kept.length - limits.total);
  const beyond = kept.filter(({ at, isRipe }) => isRipe && at > 0).slice(0, tooMany);
  const containers = [...extra, ...beyond].map(({ pod, container }) => ({ pod, container }));
  const gone = new Set(containers.map(({ container }) => container.id));
  return { containers, sandboxes: pods.flatMap((pod) => sandboxesOf(pod, gone)) };
}

/** Dead ones but the newest, unless a record still refers to them. */
function sandboxesOf({ sandboxes, containers }: ObservedPod, gone: ReadonlySet<string>): ObservedSandbox[] {
  const inUse = new Set(containers.filter(({ id }) => !gone.has(id)).map(({ sandboxId }) => sandboxId));
  return sandboxes.slice(1).filter(({ id, phase }) => phase !== 'running' && !inUse.has(id));
}
