// What other rooms count for /metrics and /metrics/probes, under upstream's names.
import { Counter, Registry } from '@prometheus-io/client';

export interface ProbeCount {
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  readonly container: string;
  readonly type: string;
  readonly result: 'successful' | 'failed' | 'unknown';
}

export interface NodeCounters {
  /** Of /metrics. */
  readonly registry: Registry;
  /** Of /metrics/probes. */
  readonly probes: Registry;
  evicted(signal: string): void;
  probed(count: ProbeCount): void;
  /** Drops a pod's series: pods come and go, and a process must not grow with them. */
  forget(podUid: string): void;
}

const titles: Readonly<Record<string, string>> = { liveness: 'Liveness', readiness: 'Readiness', startup: 'Startup' };

export function createNodeCounters(): NodeCounters {
  const [registry, probes] = [new Registry(), new Registry()];
  const evictions = new Counter({
    name: 'kubelet_evictions',
    help: 'Cumulative number of pod evictions by eviction signal',
    labelNames: ['eviction_signal'] as const,
    registers: [registry],
  });
  const labelNames = ['probe_type', 'result', 'container', 'pod', 'namespace', 'pod_uid'] as const;
  const probed = new Counter({
    name: 'prober_probe_total',
    help: 'Cumulative number of a liveness, readiness or startup probe for a container by result.',
    labelNames,
    registers: [probes],
  });
  const series = new Map<string, Map<string, Record<(typeof labelNames)[number], string>>>();
  return {
    registry,
    probes,
    evicted: (signal) => evictions.inc({ eviction_signal: signal }),
    probed: ({ namespace, pod, podUid, container, type, result }) => {
      const labels = { probe_type: titles[type] ?? type, result, container, pod, namespace, pod_uid: podUid };
      const known = series.get(podUid) ?? new Map();
      series.set(podUid, known.set(`${type} ${result} ${container}`, labels));
      probed.inc(labels);
    },
    forget: (podUid) => {
      for (const labels of series.get(podUid)?.values() ?? []) probed.remove(labels);
      series.delete(podUid);
    },
  };
}
