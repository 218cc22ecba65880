// The pods of a StatefulSet by their ordinals: names, identity, and the claims that each brings along.
import { persistentVolumeClaims, pods } from '../../../../kube/resources.ts';
import type { PersistentVolumeClaim, Pod, PodTemplate, StatefulSet, Volume } from '../../../../kube/types.ts';
import type { Action } from '../../../model.ts';
import { ownerReference } from '../ownership.ts';
import { revisionLabel } from '../revisions.ts';

export const firstOrdinal = ({ spec }: StatefulSet): number => spec.ordinals?.start ?? 0;

/** Undefined for a pod whose name is not one of the set's. */
export function ordinalOf(set: StatefulSet, { metadata }: Pod): number | undefined {
  const match = /^(.*)-(\d+)$/.exec(metadata.name);
  return match?.[1] === set.metadata.name ? Number(match[2]) : undefined;
}

export const podName = ({ metadata }: StatefulSet, ordinal: number): string => `${metadata.name}-${ordinal}`;

type ClaimTemplate = NonNullable<StatefulSet['spec']['volumeClaimTemplates']>[number];

const claimName = (template: ClaimTemplate, pod: string): string => `${template.metadata?.name}-${pod}`;

/** Claims that the pod needs and that are not there yet. */
export function missingClaims(
  set: StatefulSet,
  ordinal: number,
  exists: (name: string) => PersistentVolumeClaim | undefined,
): Action[] {
  const pod = podName(set, ordinal);
  const { namespace } = set.metadata;
  return (set.spec.volumeClaimTemplates ?? []).flatMap((template): Action[] => {
    const name = claimName(template, pod);
    if (exists(name)) return [];
    const labels = { ...template.metadata?.labels, ...set.spec.selector.matchLabels };
    const { annotations } = template.metadata ?? {};
    const metadata = { name, namespace, labels, ...(annotations ? { annotations } : {}) };
    const object = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec: template.spec };
    const message = `create Claim ${name} Pod ${pod} in StatefulSet ${set.metadata.name} success`;
    return [
      { do: 'Create', of: persistentVolumeClaims, object, because: `pod ${pod} brings it along` },
      { do: 'Event', about: set, type: 'Normal', reason: 'SuccessfulCreate', message },
    ];
  });
}

export function createPod(set: StatefulSet, ordinal: number, template: PodTemplate, hash: string): Action[] {
  const name = podName(set, ordinal);
  const { namespace } = set.metadata;
  const labels = {
    ...template.metadata?.labels,
    'statefulset.kubernetes.io/pod-name': name,
    'apps.kubernetes.io/pod-index': String(ordinal),
    [revisionLabel]: hash,
  };
  const { annotations } = template.metadata ?? {};
  const { serviceName } = set.spec;
  const spec = {
    ...template.spec,
    hostname: name,
    ...(serviceName ? { subdomain: serviceName } : {}),
    volumes: volumesOf(set, template.spec?.volumes ?? [], name),
  };
  const metadata = {
    ...{ name, namespace, labels },
    ...(annotations ? { annotations } : {}),
    ownerReferences: [ownerReference(set)],
  };
  const object = { apiVersion: 'v1', kind: 'Pod', metadata, spec };
  const message = `create Pod ${name} in StatefulSet ${set.metadata.name} successful`;
  return [
    { do: 'Create', of: pods, object, because: `ordinal ${ordinal} has no pod` },
    { do: 'Event', about: set, type: 'Normal', reason: 'SuccessfulCreate', message },
  ];
}

/** A claim stands in for the template's volume of the same name. */
function volumesOf(set: StatefulSet, given: readonly Volume[], pod: string): Volume[] {
  const claims = (set.spec.volumeClaimTemplates ?? []).map((template): Volume => {
    const name = template.metadata?.name ?? '';
    return { name, persistentVolumeClaim: { claimName: claimName(template, pod) } };
  });
  return [...given.filter(({ name }) => !claims.some((one) => one.name === name)), ...claims];
}

export function deletePod(set: StatefulSet, { metadata }: Pod, because: string): Action[] {
  const { name, namespace, uid } = metadata;
  const message = `delete Pod ${name} in StatefulSet ${set.metadata.name} successful`;
  return [
    { do: 'Delete', of: pods, at: { namespace, name }, options: { preconditions: { uid } }, because },
    { do: 'Event', about: set, type: 'Normal', reason: 'SuccessfulDelete', message },
  ];
}
