// When a node's status is sent: at once when it changed, else so that it is never older than the report period.

export interface ReportPlan {
  readonly reportEveryMs: number;
  /** −1 to 1, drawn anew after each real change: nodes that changed together do not report together for ever. */
  readonly jitter: number;
}

export function isReportDue(lastReportMs: number | undefined, nowMs: number, plan: ReportPlan): boolean {
  if (lastReportMs === undefined) return true;
  return nowMs - lastReportMs >= plan.reportEveryMs * (1 + 0.5 * plan.jitter);
}
