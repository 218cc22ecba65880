// Which static pods the API must be shown, and which of their images there have had their time.
import type { Node, Pod } from '../../../kube/types.ts';

const hashAnnotation = 'kubernetes.io/config.hash';
const mirrorAnnotation = 'kubernetes.io/config.mirror';

/** A static pod's image in the API: it shows the pod, it does not run it. */
export const isMirror = (pod: Pod): boolean => pod.metadata.annotations?.[mirrorAnnotation] !== undefined;

export type MirrorAction = { readonly because: string } & (
  | { readonly do: 'CreateMirror'; readonly pod: Pod }
  | { readonly do: 'DeleteMirror'; readonly pod: Pod }
);

export interface MirrorFacts {
  /** Static pods, those that are ending among them. */
  readonly statics: readonly Pod[];
  /** Pods of this node in the API, mirrors and others. */
  readonly inApi: readonly Pod[];
  /** This node as the API has it: a mirror belongs to it. */
  readonly node: Node | undefined;
  /** Every source of static pods has spoken: what has no static pod now has none. */
  readonly areAllKnown: boolean;
}

const keyOf = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`;

/** The next steps; a mirror that is replaced is deleted first and created at the next look. */
export function planMirrors({ statics, inApi, node, areAllKnown }: MirrorFacts): readonly MirrorAction[] {
  const byKey = new Map(inApi.map((pod) => [keyOf(pod), pod]));
  const wanted = new Set(statics.map(keyOf));
  const orphans = areAllKnown ? inApi.filter((pod) => isMirror(pod) && !wanted.has(keyOf(pod))) : [];
  return [
    ...statics.flatMap((pod) => planOne(pod, byKey.get(keyOf(pod)), node)),
    ...orphans.map(
      (pod): MirrorAction => ({ do: 'DeleteMirror', pod, because: 'there is no such static pod any more' }),
    ),
  ];
}

function planOne(pod: Pod, found: Pod | undefined, node: Node | undefined): readonly MirrorAction[] {
  if (!found) {
    if (!node?.metadata.uid || node.metadata.deletionTimestamp !== undefined) return [];
    return [{ do: 'CreateMirror', pod: mirrorOf(pod, node), because: 'the API does not show this static pod' }];
  }
  if (!isMirror(found)) return [];
  if (found.metadata.deletionTimestamp !== undefined) {
    return [{ do: 'DeleteMirror', pod: found, because: 'somebody deletes it; the static pod stays' }];
  }
  const isCurrent = found.metadata.annotations?.[mirrorAnnotation] === pod.metadata.annotations?.[hashAnnotation];
  return isCurrent ? [] : [{ do: 'DeleteMirror', pod: found, because: 'the static pod has become another' }];
}

/** Belongs to the node, as NodeRestriction demands, and goes with it. */
function mirrorOf({ metadata, spec }: Pod, node: Node): Pod {
  const { name, namespace, labels, annotations } = metadata;
  const owner = { apiVersion: 'v1', kind: 'Node', name: node.metadata.name, uid: node.metadata.uid ?? '' };
  // The API server gives it a UID of its own.
  const shown: Omit<Pod['metadata'], 'uid'> = {
    name,
    namespace,
    ...(labels ? { labels } : {}),
    annotations: { ...annotations, [mirrorAnnotation]: annotations?.[hashAnnotation] ?? '' },
    ownerReferences: [{ ...owner, controller: true }],
  };
  return { apiVersion: 'v1', kind: 'Pod', metadata: shown as Pod['metadata'], spec };
}
