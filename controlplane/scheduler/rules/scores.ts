// How good each node is that will do: 0 to 100 per view, weighed as upstream weighs them.
import { tolerates } from '../../model.ts';
import type { Candidate, NodeInfo } from '../model.ts';
import { preferredWeight } from './node-affinity.ts';

const scored = ['cpu', 'memory'];
const best = 100;

/** One total per node, in the order given. */
export function scores(candidate: Candidate, nodes: readonly NodeInfo[]): number[] {
  const affinity = scaled(nodes.map((node) => preferredWeight(candidate.pod, node)));
  const unwelcome = scaled(nodes.map((node) => intolerableTaints(candidate, node)));
  return nodes.map((node, at) => {
    const free = leastAllocated(candidate, node);
    const even = balanced(candidate, node);
    return free + even + 2 * (affinity[at] ?? 0) + 3 * (best - (unwelcome[at] ?? 0));
  });
}

/** Much room left is good. */
function leastAllocated({ presumed }: Candidate, node: NodeInfo): number {
  const parts = scored.flatMap((name) => {
    const room = node.allocatable.get(name) ?? 0n;
    if (room === 0n) return [];
    const used = (node.presumed.get(name) ?? 0n) + (presumed.get(name) ?? 0n);
    return [used > room ? 0 : Number(((room - used) * BigInt(best)) / room)];
  });
  return parts.length === 0 ? 0 : Math.floor(parts.reduce((sum, part) => sum + part, 0) / parts.length);
}

/** CPU and memory used to the same degree is good. */
function balanced({ requests }: Candidate, node: NodeInfo): number {
  const [cpu = 0, memory = 0] = scored.map((name) => {
    const room = node.allocatable.get(name) ?? 0n;
    const used = (node.requested.get(name) ?? 0n) + (requests.get(name) ?? 0n);
    return room === 0n ? 0 : Math.min(1, Number(used) / Number(room));
  });
  return Math.floor((1 - Math.abs(cpu - memory) / 2) * best);
}

function intolerableTaints({ pod }: Candidate, { taints }: NodeInfo): number {
  const tolerations = pod.spec.tolerations ?? [];
  return taints.filter(
    (taint) => taint.effect === 'PreferNoSchedule' && !tolerations.some((one) => tolerates(one, taint)),
  ).length;
}

/** Counts become 0 to 100, the largest 100. */
function scaled(counts: readonly number[]): number[] {
  const most = Math.max(0, ...counts);
  return counts.map((count) => (most === 0 ? 0 : Math.floor((count * best) / most)));
}
