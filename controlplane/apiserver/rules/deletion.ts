// What deleting an object means at this moment: mark it, shorten its time, remove it, or nothing. Pure.
import type { Kind } from '../kinds/kind.ts';
import type { ApiObject, JsonObject } from '../model.ts';

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly propagationPolicy?: string;
}

export type DeletionStep =
  | { readonly do: 'Remove'; readonly object: ApiObject }
  | { readonly do: 'Mark'; readonly object: ApiObject }
  | { readonly do: 'Nothing'; readonly object: ApiObject };

const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

function mark(object: ApiObject, timestamp: string, grace: number): ApiObject {
  const { generation } = object.metadata;
  const metadata = {
    ...object.metadata,
    deletionTimestamp: timestamp,
    deletionGracePeriodSeconds: grace,
    ...(generation === undefined ? {} : { generation: generation + 1 }),
  };
  const phase =
    object.kind === 'Namespace' ? { status: { ...(object['status'] as JsonObject), phase: 'Terminating' } } : {};
  return { ...object, ...phase, metadata };
}

function isHeld(object: ApiObject): boolean {
  const spec = object['spec'] as JsonObject | undefined;
  const namespaceHeld =
    object.kind === 'Namespace' && Array.isArray(spec?.['finalizers']) && spec['finalizers'].length > 0;
  return namespaceHeld || (object.metadata.finalizers ?? []).length > 0;
}

export function deletionStep(kind: Kind, object: ApiObject, options: DeleteOptions, nowMs: number): DeletionStep {
  const grace = kind.strategy.graceSeconds?.(object, options.gracePeriodSeconds) ?? 0;
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = object.metadata;
  const held = isHeld(object);
  if (deletionTimestamp === undefined) {
    if (grace > 0) return { do: 'Mark', object: mark(object, iso(nowMs + grace * 1000), grace) };
    return held ? { do: 'Mark', object: mark(object, iso(nowMs), 0) } : { do: 'Remove', object };
  }
  // A second request may only shorten the time, and only by saying how long.
  if (grace === 0 && !held) {
    const isDue = options.gracePeriodSeconds === 0 || deletionGracePeriodSeconds === 0;
    if (isDue) return { do: 'Remove', object };
  }
  if (options.gracePeriodSeconds === undefined || grace >= deletionGracePeriodSeconds) return { do: 'Nothing', object };
  const startedMs = Date.parse(deletionTimestamp) - deletionGracePeriodSeconds * 1000;
  return { do: 'Mark', object: mark(object, iso(startedMs + grace * 1000), grace) };
}
