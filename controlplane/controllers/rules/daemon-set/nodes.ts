// Which nodes a DaemonSet's pods run on, and how each pod is tied to its node.
import type { DaemonSet, Node, Pod, PodSpec, PodTemplate, Toleration } from '../../../../kube/types.ts';
import { tolerates } from '../../../model.ts';

export interface NodeVerdict {
  readonly shouldRun: boolean;
  /** A pod that is there may stay. */
  readonly mayStay: boolean;
}

/** Daemons stay when their node is in trouble: many are there to mend it. */
const always: readonly (readonly [key: string, effect: 'NoExecute' | 'NoSchedule'])[] = [
  ['node.kubernetes.io/not-ready', 'NoExecute'],
  ['node.kubernetes.io/unreachable', 'NoExecute'],
  ['node.kubernetes.io/disk-pressure', 'NoSchedule'],
  ['node.kubernetes.io/memory-pressure', 'NoSchedule'],
  ['node.kubernetes.io/pid-pressure', 'NoSchedule'],
  ['node.kubernetes.io/unschedulable', 'NoSchedule'],
];

function tolerationsOf({ tolerations = [], hostNetwork }: PodSpec): Toleration[] {
  const wanted = hostNetwork ? [...always, ['node.kubernetes.io/network-unavailable', 'NoSchedule'] as const] : always;
  const added = wanted
    .filter(([key, effect]) => !tolerations.some((one) => one.key === key && one.effect === effect))
    .map(([key, effect]): Toleration => ({ key, operator: 'Exists', effect }));
  return [...tolerations, ...added];
}

const podSpecOf = (template: PodTemplate): PodSpec => template.spec ?? { containers: [] };

/** `fits`: node selector and affinity. */
export function verdictOf({ spec }: DaemonSet, node: Node, fits: boolean): NodeVerdict {
  const pod = podSpecOf(spec.template);
  const wanted = fits && (!pod.nodeName || pod.nodeName === node.metadata.name);
  if (!wanted) return { shouldRun: false, mayStay: false };
  const tolerations = tolerationsOf(pod);
  const hard = (node.spec?.taints ?? []).filter(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute');
  const unborne = hard.filter((taint) => !tolerations.some((one) => tolerates(one, taint)));
  return { shouldRun: unborne.length === 0, mayStay: !unborne.some(({ effect }) => effect === 'NoExecute') };
}

/** The template with its daemon tolerations, tied to one node: the scheduler still checks resources and ports. */
export function templateFor(template: PodTemplate, nodeName: string, hash: string): PodTemplate {
  const pod = podSpecOf(template);
  const requirement = { key: 'metadata.name', operator: 'In' as const, values: [nodeName] };
  const nodeAffinity = {
    ...pod.affinity?.nodeAffinity,
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [requirement] }] },
  };
  return {
    metadata: {
      ...template.metadata,
      labels: { ...template.metadata?.labels, 'controller-revision-hash': hash },
    },
    spec: { ...pod, tolerations: tolerationsOf(pod), affinity: { ...pod.affinity, nodeAffinity } },
  };
}

/** The node of a pod, or the one that it is tied to. */
export function nodeNameOf({ spec }: Pod): string | undefined {
  if (spec.nodeName) return spec.nodeName;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const [term] = required?.nodeSelectorTerms ?? [];
  return term?.matchFields?.find(({ key }) => key === 'metadata.name')?.values?.[0];
}
