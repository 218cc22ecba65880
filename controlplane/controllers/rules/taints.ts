// How long a pod bears its node's taints.
import type { Pod, Taint } from '../../../kube/types.ts';
import { tolerates } from '../../model.ts';

/** How long a pod stays among these NoExecute taints: seconds, "for ever", or 0 when it must go now. */
export function staySeconds(pod: Pod, taints: readonly Taint[]): number | 'for ever' {
  const tolerations = pod.spec.tolerations ?? [];
  const used = taints.map((taint) => tolerations.filter((one) => tolerates(one, taint)));
  if (used.some((one) => one.length === 0)) return 0;
  const limits = used.flat().flatMap(({ tolerationSeconds }) => tolerationSeconds ?? []);
  return limits.length === 0 ? 'for ever' : Math.max(0, Math.min(...limits));
}

export const sameTaint = (a: Taint, b: Taint): boolean => a.key === b.key && a.effect === b.effect;
