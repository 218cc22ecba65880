// The scale of an object: one number that says how many, whatever the kind. Pure.

import type { Kind } from '../kinds/kind.ts';
import { type ApiObject, at, isObject } from '../model.ts';
import { invalidValue } from './names.ts';
import { invalid, notFound } from './status-error.ts';

/** Throws a 404 `StatusError` for a kind that has none. */
export function scaleOf(kind: Kind, object: ApiObject): ApiObject {
  const { scale } = kind.strategy;
  if (!scale) throw notFound(kind, object.metadata.name);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = scale.selector(object);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name,
      ...(namespace ? { namespace } : {}),
      ...{ uid, resourceVersion, creationTimestamp },
    } as ApiObject['metadata'],
    spec: { replicas: Number(at(object, 'spec.replicas') ?? 0) },
    status: {
      replicas: Number(at(object, 'status.replicas') ?? 0),
      ...(selector === '<none>' ? {} : { selector }),
    },
  };
}

/** The object with the scale's number; a resourceVersion in the scale is kept as a condition. */
export function withScale(kind: Kind, object: ApiObject, scale: ApiObject): ApiObject {
  const replicas = Number(at(scale, 'spec.replicas') ?? 0);
  if (replicas < 0) {
    const cause = invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0');
    throw invalid({ ...kind, group: 'autoscaling', kind: 'Scale' }, object.metadata.name, [cause]);
  }
  const { resourceVersion, uid } = scale.metadata ?? {};
  const metadata = { ...object.metadata, ...(resourceVersion ? { resourceVersion } : {}), ...(uid ? { uid } : {}) };
  return { ...object, metadata, spec: { ...(isObject(object['spec']) ? object['spec'] : {}), replicas } };
}
