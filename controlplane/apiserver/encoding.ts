// Stored text to object and back: the resource version is the store's revision and never stands in the text.
import type { Entry, StoreEvent } from '../store/store.ts';
import type { Kind } from './kinds/kind.ts';
import type { ApiObject } from './model.ts';

export function decodeText(kind: Kind, value: string, rev: number): ApiObject {
  const object = JSON.parse(value) as ApiObject;
  object.metadata.resourceVersion = String(rev);
  return kind.strategy.convert ? kind.strategy.convert.fromStored(object) : object;
}

export const decodeEntry = (kind: Kind, entry: Entry): ApiObject => decodeText(kind, entry.value, entry.modRev);

export function encodeObject(kind: Kind, object: ApiObject): string {
  const stored = kind.strategy.convert ? kind.strategy.convert.toStored(object) : object;
  const { resourceVersion: _, ...metadata } = stored.metadata;
  return JSON.stringify({ ...stored, metadata });
}

/** A change with its objects parsed once, whoever asks and however often. */
export interface DecodedEvent {
  readonly rev: number;
  /** Undefined for a deletion. */
  readonly object: ApiObject | undefined;
  /** What was there before, carrying the revision of the change. */
  readonly before: ApiObject | undefined;
  /** Lines of the watch stream by type and form, written once for all watchers. */
  readonly lines: Map<string, Buffer>;
}

/** Events are shared by all watchers of a ring: so is what they decode to. */
export function createEventDecoder(): (kind: Kind, event: StoreEvent) => DecodedEvent {
  const decoded = new WeakMap<StoreEvent, Map<string, DecodedEvent>>();
  return (kind, event) => {
    const forms = decoded.get(event) ?? new Map<string, DecodedEvent>();
    decoded.set(event, forms);
    const known = forms.get(kind.apiVersion);
    if (known) return known;
    const fresh: DecodedEvent = {
      rev: event.rev,
      object: event.value === null ? undefined : decodeText(kind, event.value, event.rev),
      before: event.before && decodeText(kind, event.before.value, event.rev),
      lines: new Map(),
    };
    forms.set(kind.apiVersion, fresh);
    return fresh;
  };
}

/** Keys are `/registry/pods/ns/name`, or `/registry/nodes/name`. Names are checked before they come here. */
export const keyOf = (kind: Kind, namespace: string, name: string): string =>
  kind.namespaced ? `${kind.prefix}${namespace}/${name}` : `${kind.prefix}${name}`;

export const prefixOf = (kind: Kind, namespace: string): string =>
  kind.namespaced && namespace !== '' ? `${kind.prefix}${namespace}/` : kind.prefix;
