// What the health endpoints say, from what is known.
import type { Node } from '../../kube/types.ts';

/** When one family last wrote its rules, and since when a change waits to be written. */
export interface FamilyHealth {
  readonly lastUpdatedMs: number | undefined;
  readonly waitingSinceMs: number | undefined;
}

export interface HealthAnswer {
  readonly code: 200 | 503;
  readonly body: Record<string, unknown>;
}

const leavingTaint = 'ToBeDeletedByClusterAutoscaler';

/** Whether load balancers may still choose this node. */
export function isEligible(node: Node | undefined): boolean {
  if (!node || node.metadata.deletionTimestamp) return false;
  return !(node.spec?.taints ?? []).some(({ key }) => key === leavingTaint);
}

export function isHealthy({ waitingSinceMs }: FamilyHealth, nowMs: number, timeoutMs: number): boolean {
  return waitingSinceMs === undefined || nowMs - waitingSinceMs < timeoutMs;
}

/** /healthz (with `eligible`) or /livez (without). */
export function healthAnswer(
  families: ReadonlyMap<4 | 6, FamilyHealth>,
  nowMs: number,
  timeoutMs: number,
  eligible: boolean | undefined,
): HealthAnswer {
  const iso = (ms: number): string => new Date(ms).toISOString();
  const status = Object.fromEntries(
    [...families].map(([family, health]) => [
      `IPv${family}`,
      { lastUpdated: iso(health.lastUpdatedMs ?? nowMs), healthy: isHealthy(health, nowMs, timeoutMs) },
    ]),
  );
  const healthy = [...families.values()].every((health) => isHealthy(health, nowMs, timeoutMs));
  const lastMs = Math.min(...[...families.values()].map(({ lastUpdatedMs }) => lastUpdatedMs ?? nowMs));
  const code = healthy && eligible !== false ? 200 : 503;
  return {
    code,
    body: {
      lastUpdated: iso(code === 200 ? nowMs : lastMs),
      currentTime: iso(nowMs),
      ...(eligible === undefined ? {} : { nodeEligible: eligible }),
      healthy,
      status,
    },
  };
}

/** The answer of a Service's health check nodePort. */
export function serviceAnswer(name: string, localEndpoints: number, proxyHealthy: boolean): HealthAnswer {
  const [namespace = '', service = ''] = name.split('/');
  return {
    code: localEndpoints > 0 && proxyHealthy ? 200 : 503,
    body: { service: { namespace, name: service }, localEndpoints, serviceProxyHealthy: proxyHealthy },
  };
}
