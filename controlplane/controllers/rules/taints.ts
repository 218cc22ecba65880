// Taints and tolerations: who bears what, and for how long.
import type { Pod, Taint, Toleration } from '../../../kube/types.ts';

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  const operator = toleration.operator || 'Equal';
  if (operator === 'Exists') return true;
  // Without a key only Exists means every taint.
  return operator === 'Equal' && Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '');
}

/** How long a pod stays among these NoExecute taints: seconds, "for ever", or 0 when it must go now. */
export function staySeconds(pod: Pod, taints: readonly Taint[]): number | 'for ever' {
  const tolerations = pod.spec.tolerations ?? [];
  const used = taints.map((taint) => tolerations.filter((one) => tolerates(one, taint)));
  if (used.some((one) => one.length === 0)) return 0;
  const limits = used.flat().flatMap(({ tolerationSeconds }) => tolerationSeconds ?? []);
  return limits.length === 0 ? 'for ever' : Math.max(0, Math.min(...limits));
}

export const sameTaint = (a: Taint, b: Taint): boolean => a.key === b.key && a.effect === b.effect;
