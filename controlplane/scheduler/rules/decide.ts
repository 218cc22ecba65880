// The decision about one pod: a node, or a sentence that says why there is none.
import type { Candidate, Decision, NodeInfo, Refusal } from '../model.ts';
import { filtersFor } from './filters.ts';
import { scores } from './scores.ts';

/** `turn` chooses among equals: a number that grows by one with each decision. */
export function decide(candidate: Candidate, nodes: readonly NodeInfo[], turn: number): Decision {
  if (nodes.length === 0) return { do: 'Wait', message: 'no nodes available to schedule pods' };
  if (candidate.claims.blocked !== undefined) {
    const all = nodes.map((): Refusal => ({ reasons: [], lasting: true }));
    return { do: 'Wait', message: explain(candidate, nodes, all) };
  }
  const refusals = nodes.map(filtersFor(candidate, nodes));
  const fitting = nodes.filter((_, at) => refusals[at] === undefined);
  if (fitting.length === 0) {
    return {
      do: 'Wait',
      message: explain(
        candidate,
        nodes,
        refusals.filter((one) => one !== undefined),
      ),
    };
  }
  const totals = scores(candidate, fitting);
  const most = Math.max(...totals);
  const equals = fitting.filter((_, at) => totals[at] === most);
  const chosen = equals[turn % equals.length];
  if (!chosen) throw new RangeError(`Turn ${turn} is no natural number`);
  return { do: 'Bind', nodeName: chosen.name };
}

/** The FailedScheduling event's text, as kube-scheduler v1.36 writes it. */
function explain(
  { pod, claims, priority }: Candidate,
  nodes: readonly NodeInfo[],
  refusals: readonly Refusal[],
): string {
  const head = `0/${nodes.length} nodes are available:`;
  const why = claims.blocked ?? histogram(refusals.flatMap(({ reasons }) => reasons));
  const filtered = `${head} ${why}.`;
  if (pod.spec.preemptionPolicy === 'Never') {
    return `${filtered} no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.`;
  }
  // Whoever could make room by going is not asked to: then nothing is said about preemption.
  const victims = nodes.some(
    ({ pods }, at) => !refusals[at]?.lasting && pods.some((other) => (other.spec.priority ?? 0) < priority),
  );
  if (victims) return filtered;
  const help = refusals.map((one) =>
    one.lasting ? 'Preemption is not helpful for scheduling' : 'No preemption victims found for incoming pod',
  );
  return `${filtered} no new claims to deallocate, preemption: ${head} ${histogram(help)}.`;
}

function histogram(reasons: readonly string[]): string {
  const counts = Map.groupBy(reasons, (reason) => reason);
  return [...counts]
    .map(([reason, all]) => `${all.length} ${reason}`)
    .sort()
    .join(', ');
}
