// What of a sent object is taken over: clients choose specs, never identities. Pure.
import type { Kind } from '../kinds/kind.ts';
import type { ApiObject } from '../model.ts';
import { badRequest } from './status-error.ts';

export interface Birth {
  readonly uid: string;
  readonly now: string;
}

/** The object as it will be born: own identity, no leftovers of another life. */
export function prepareNew(kind: Kind, object: ApiObject, namespace: string, birth: Birth): ApiObject {
  const sent = object.metadata ?? {};
  if (sent.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created');
  if (kind.namespaced && sent.namespace && sent.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const { name, generateName, labels, annotations, ownerReferences, finalizers } = sent;
  object.metadata = {
    name,
    ...(generateName === undefined ? {} : { generateName }),
    ...(kind.namespaced ? { namespace } : {}),
    uid: birth.uid,
    ...(kind.strategy.generation ? { generation: 1 } : {}),
    creationTimestamp: birth.now,
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(ownerReferences === undefined ? {} : { ownerReferences }),
    ...(finalizers === undefined ? {} : { finalizers }),
  };
  const hasStatus = kind.subresources.some(({ name: sub }) => sub === 'status');
  if (hasStatus && !kind.strategy.bornWithStatus) delete object['status'];
  kind.strategy.prepareCreate?.(object);
  return object;
}

/** An update through the main resource leaves the status alone; one through a subresource leaves the rest alone. */
export function mergeUpdate(kind: Kind, sent: ApiObject, old: ApiObject, subresource: string): ApiObject {
  const metadata = { ...sent.metadata };
  const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation, resourceVersion } =
    old.metadata;
  metadata.name ||= old.metadata.name;
  if (kind.namespaced) metadata.namespace ||= old.metadata.namespace ?? '';
  delete metadata.managedFields;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.generation;
  Object.assign(metadata, { uid, creationTimestamp, resourceVersion });
  if (generation !== undefined) metadata.generation = generation;
  if (deletionTimestamp !== undefined) Object.assign(metadata, { deletionTimestamp, deletionGracePeriodSeconds });
  return bodyOf(kind, { ...sent, metadata }, old, subresource);
}

function bodyOf(kind: Kind, object: ApiObject, old: ApiObject, subresource: string): ApiObject {
  const special = kind.strategy.subresources?.[subresource];
  if (special) return special(object, old);
  if (subresource === 'status') {
    const { ownerReferences: _, ...metadata } = object.metadata;
    const owners = old.metadata.ownerReferences;
    return { ...old, metadata: { ...metadata, ...(owners ? { ownerReferences: owners } : {}) }, ...statusOnly(object) };
  }
  if (kind.subresources.some(({ name }) => name === 'status')) {
    const { status: _, ...rest } = object;
    const kept = { ...rest, ...(old['status'] === undefined ? {} : { status: old['status'] }) } as ApiObject;
    kind.strategy.prepareUpdate?.(kept, old);
    return kept;
  }
  kind.strategy.prepareUpdate?.(object, old);
  return object;
}

const statusOnly = (object: ApiObject): object => (object['status'] === undefined ? {} : { status: object['status'] });
