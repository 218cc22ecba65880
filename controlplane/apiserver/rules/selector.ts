// Which objects a list or watch wants: label and field selectors as one predicate. Pure.
import {
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from '../../../kube/selectors.ts';
import type { Kind } from '../kinds/kind.ts';
import type { ApiObject } from '../model.ts';
import { badRequest } from './status-error.ts';

export interface Selection {
  /** Selects everything: nothing needs to be parsed. */
  readonly all: boolean;
  matches(object: ApiObject): boolean;
}

const everything: Selection = { all: true, matches: () => true };

function orBadRequest<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}

/** Throws a 400 `StatusError` for a selector that cannot be read, or for a field that the kind does not offer. */
export function selectionOf(kind: Kind, labelText: string, fieldText: string): Selection {
  const labels = orBadRequest(() => parseLabelSelector(labelText));
  const fields = orBadRequest(() => parseFieldSelector(fieldText));
  if (labels.length === 0 && fields.length === 0) return everything;
  const readers = new Map<string, (object: ApiObject) => string>([
    ['metadata.name', (object) => object.metadata.name],
    ...(kind.namespaced
      ? [['metadata.namespace', (object: ApiObject) => object.metadata.namespace ?? ''] as const]
      : []),
    ...Object.entries(kind.strategy.fields ?? {}),
  ]);
  for (const { path } of fields) {
    if (!readers.has(path)) throw badRequest(`field label not supported: ${path}`);
  }
  return {
    all: false,
    matches: (object) =>
      matchesLabels(labels, object.metadata.labels) && matchesFields(fields, (path) => readers.get(path)?.(object)),
  };
}
