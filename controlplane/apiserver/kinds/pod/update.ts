// What of a pod's spec may change once it is there. Pure.
import { type Cause, type JsonObject, list } from '../../model.ts';
import { forbiddenField } from '../../rules/names.ts';
import { sameJson } from '../../rules/patch/merge.ts';

const text =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

const withImagesOf = (containers: unknown, old: unknown): JsonObject[] =>
  list(containers).map((one, index) => ({ ...one, image: list(old)[index]?.['image'] ?? one['image'] }));

/** The new spec with everything taken back that may change. */
function withoutAllowed(spec: JsonObject, old: JsonObject): JsonObject {
  const kept = list(old['tolerations']).every((one) => list(spec['tolerations']).some((other) => sameJson(one, other)));
  const copy: JsonObject = {
    ...spec,
    containers: withImagesOf(spec['containers'], old['containers']),
    ...(spec['initContainers'] ? { initContainers: withImagesOf(spec['initContainers'], old['initContainers']) } : {}),
  };
  const free = ['activeDeadlineSeconds', 'schedulingGates', ...(kept ? ['tolerations'] : [])];
  for (const name of free) {
    if (old[name] === undefined) delete copy[name];
    else copy[name] = old[name];
  }
  return copy;
}

export function updateCauses(spec: JsonObject, old: JsonObject): Cause[] {
  return sameJson(withoutAllowed(spec, old), old) ? [] : [forbiddenField('spec', text)];
}
