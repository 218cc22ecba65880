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

const collectors = ['orphan', 'foregroundDeletion'];

/** What shall become of the objects that this one owns, written down as a finalizer for the collector. */
function withPropagation(kind: Kind, object: ApiObject, asked: string | undefined): ApiObject {
  const { finalizers = [], ...metadata } = object.metadata;
  // Who says nothing leaves what was said before.
  const policy = asked ?? (finalizers.some((one) => collectors.includes(one)) ? 'AsBefore' : defaultPolicy(kind));
  if (policy === 'AsBefore') return object;
  const wanted = { Orphan: 'orphan', Foreground: 'foregroundDeletion' }[policy];
  const rest = finalizers.filter((one) => !collectors.includes(one) || one === wanted);
  if (wanted !== undefined && !rest.includes(wanted)) rest.push(wanted);
  return { ...object, metadata: rest.length > 0 ? { ...metadata, finalizers: rest } : metadata };
}

const defaultPolicy = ({ strategy }: Kind): string => (strategy.orphansDependents ? 'Orphan' : 'Background');

const sameFinalizers = (a: ApiObject, b: ApiObject): boolean =>
  JSON.stringify(a.metadata.finalizers) === JSON.stringify(b.metadata.finalizers);

export function deletionStep(kind: Kind, stored: ApiObject, options: DeleteOptions, nowMs: number): DeletionStep {
  const object = withPropagation(kind, stored, options.propagationPolicy);
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
  if (options.gracePeriodSeconds === undefined || grace >= deletionGracePeriodSeconds)
    return { do: sameFinalizers(object, stored) ? 'Nothing' : 'Mark', object };
  const startedMs = Date.parse(deletionTimestamp) - deletionGracePeriodSeconds * 1000;
  return { do: 'Mark', object: mark(object, iso(startedMs + grace * 1000), grace) };
}
