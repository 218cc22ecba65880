// What :10249/metrics tells, under the names that dashboards for kube-proxy ask for.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { Family, TableName } from '../model.ts';

export interface SyncFacts {
  readonly isFull: boolean;
  readonly seconds: number;
  /** Seconds since 1970. */
  readonly endedAt: number;
  readonly written: Readonly<Record<TableName, number>>;
  readonly total: Readonly<Record<TableName, number>>;
  readonly withoutLocalEndpoints: { readonly internal: number; readonly external: number };
  /** Seconds from each change of an endpoint to the rule that knows it. */
  readonly latencies: readonly number[];
}

export interface Metrics {
  readonly registry: Registry;
  queued(family: Family, kind: 'service' | 'endpoint', pending: number, atSeconds: number): void;
  synced(family: Family, facts: SyncFacts): void;
  restoreFailed(family: Family, isFull: boolean): void;
  conntrackCleaned(family: Family, seconds: number, deleted: number): void;
  healthAnswered(path: 'healthz' | 'livez', code: number): void;
}

const syncBuckets = Array.from({ length: 15 }, (_, at) => 0.001 * 2 ** at);
const range = (from: number, to: number, step: number): number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, at) => from + at * step);
const latencyBuckets = [0.25, 0.5, ...range(1, 59, 1), ...range(60, 115, 5), ...range(120, 300, 30)];

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const named = <L extends string>(name: string, help: string, labelNames: readonly L[]) => ({
    name: `kubeproxy_${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
  });
  const byFamily = ['ip_family'] as const;
  const durations = (name: string, help: string) =>
    new Histogram({ ...named(name, help, byFamily), buckets: syncBuckets });
  const duration = durations('sync_proxy_rules_duration_seconds', 'How long syncs took');
  const fullDuration = durations('sync_full_proxy_rules_duration_seconds', 'How long syncs of all rules took');
  const partialDuration = durations(
    'sync_partial_proxy_rules_duration_seconds',
    'How long syncs of changed rules took',
  );
  const latency = new Histogram({
    ...named(
      'network_programming_duration_seconds',
      'From the change of a pod or Service to the rules for it',
      byFamily,
    ),
    buckets: latencyBuckets,
  });
  const lastSync = new Gauge(named('sync_proxy_rules_last_timestamp_seconds', 'When rules were last synced', byFamily));
  const lastQueued = new Gauge(
    named('sync_proxy_rules_last_queued_timestamp_seconds', 'When a change last asked for a sync', byFamily),
  );
  const changes = {
    service: new Counter(named('sync_proxy_rules_service_changes_total', 'Changes of Services', byFamily)),
    endpoint: new Counter(named('sync_proxy_rules_endpoint_changes_total', 'Changes of EndpointSlices', byFamily)),
  };
  const pendingChanges = {
    service: new Gauge(named('sync_proxy_rules_service_changes_pending', 'Services that wait for a sync', byFamily)),
    endpoint: new Gauge(named('sync_proxy_rules_endpoint_changes_pending', 'Slices that wait for a sync', byFamily)),
  };
  const byTable = ['ip_family', 'table'] as const;
  const rulesTotal = new Gauge(named('sync_proxy_rules_iptables_total', 'Rules that stand', byTable));
  const rulesLast = new Gauge(named('sync_proxy_rules_iptables_last', 'Rules written by the last sync', byTable));
  const failures = new Counter(
    named('sync_proxy_rules_iptables_restore_failures_total', 'Restores that failed', byFamily),
  );
  const partialFailures = new Counter(
    named(
      'sync_proxy_rules_iptables_partial_restore_failures_total',
      'Restores of changed rules that failed',
      byFamily,
    ),
  );
  const noLocal = new Gauge(
    named('sync_proxy_rules_no_local_endpoints_total', 'Services with a Local policy and no endpoint here', [
      'ip_family',
      'traffic_policy',
    ]),
  );
  const answers = {
    healthz: new Counter(named('proxy_healthz_total', 'Answers of /healthz', ['code'])),
    livez: new Counter(named('proxy_livez_total', 'Answers of /livez', ['code'])),
  };
  const cleanDuration = durations(
    'conntrack_reconciler_sync_duration_seconds',
    'How long looking for stale flows took',
  );
  const cleaned = new Counter(
    named('conntrack_reconciler_deleted_entries_total', 'Stale flows that were deleted', byFamily),
  );
  const of = (family: Family) => ({ ip_family: `IPv${family}` });

  return {
    registry,
    queued(family, kind, pending, atSeconds) {
      changes[kind].inc(of(family));
      pendingChanges[kind].set(of(family), pending);
      lastQueued.set(of(family), atSeconds);
    },
    synced(family, facts) {
      duration.observe(of(family), facts.seconds);
      (facts.isFull ? fullDuration : partialDuration).observe(of(family), facts.seconds);
      lastSync.set(of(family), facts.endedAt);
      for (const seconds of facts.latencies) latency.observe(of(family), seconds);
      for (const kind of ['service', 'endpoint'] as const) pendingChanges[kind].set(of(family), 0);
      for (const table of ['filter', 'nat'] as const) {
        rulesTotal.set({ ...of(family), table }, facts.total[table]);
        rulesLast.set({ ...of(family), table }, facts.written[table]);
      }
      for (const policy of ['internal', 'external'] as const)
        noLocal.set({ ...of(family), traffic_policy: policy }, facts.withoutLocalEndpoints[policy]);
    },
    restoreFailed(family, isFull) {
      failures.inc(of(family));
      if (!isFull) partialFailures.inc(of(family));
    },
    conntrackCleaned(family, seconds, deleted) {
      cleanDuration.observe(of(family), seconds);
      cleaned.inc(of(family), deleted);
    },
    healthAnswered: (path, code) => answers[path].inc({ code: String(code) }),
  };
}
