// /metrics/resource: the few figures that metrics-server computes `kubectl top` and autoscaling from.
import type { ContainerStats, NodeStats, PodStats, Usage } from '../model.ts';
import type { Family, Sample } from './exposition.ts';

const seconds = (nanos: number): number => nanos / 1e9;

/** One sample per container that has started, or per pod with a control group. */
export function resourceFamilies(stats: NodeStats): readonly Family[] {
  const { machine, atMs } = stats;
  const ofNode = (value: number): Sample[] => [{ labels: {}, value, atMs }];
  const ofContainers = (pick: (container: ContainerStats) => number): Sample[] =>
    containersOf(stats, ({ usage }) => usage.atMs, pick);
  const ofPods = (pick: (usage: Usage) => number): Sample[] =>
    stats.pods.flatMap(({ name, namespace, usage }) =>
      usage ? [{ labels: { namespace, pod: name }, value: pick(usage), atMs: usage.atMs }] : [],
    );
  const gauge = (name: string, help: string, samples: Sample[]): Family => ({ name, type: 'gauge', help, samples });
  const counter = (name: string, help: string, samples: Sample[]): Family => ({ name, type: 'counter', help, samples });
  const swapUsed = machine.swapTotalBytes - machine.swapFreeBytes;
  return [
    counter(
      'container_cpu_usage_seconds_total',
      'Cumulative cpu time consumed by the container in core-seconds',
      ofContainers(({ usage }) => seconds(usage.cpuNanos)),
    ),
    gauge(
      'container_memory_working_set_bytes',
      'Current working set of the container in bytes',
      ofContainers(({ usage }) => usage.workingSetBytes),
    ),
    gauge(
      'container_start_time_seconds',
      'Start time of the container since unix epoch in seconds',
      containersOf(
        stats,
        () => undefined,
        ({ startedAtMs }) => startedAtMs / 1000,
      ),
    ),
    gauge(
      'container_swap_usage_bytes',
      'Current amount of the container swap usage in bytes',
      ofContainers(({ usage }) => usage.swapBytes),
    ),
    counter(
      'node_cpu_usage_seconds_total',
      'Cumulative cpu time consumed by the node in core-seconds',
      ofNode(seconds(machine.cpuNanos)),
    ),
    gauge('node_memory_working_set_bytes', 'Current working set of the node in bytes', ofNode(machine.workingSetBytes)),
    gauge('node_swap_usage_bytes', 'Current swap usage of the node in bytes', ofNode(swapUsed)),
    counter(
      'pod_cpu_usage_seconds_total',
      'Cumulative cpu time consumed by the pod in core-seconds',
      ofPods(({ cpuNanos }) => seconds(cpuNanos)),
    ),
    gauge(
      'pod_memory_working_set_bytes',
      'Current working set of the pod in bytes',
      ofPods(({ workingSetBytes }) => workingSetBytes),
    ),
    gauge(
      'pod_swap_usage_bytes',
      'Current amount of the pod swap usage in bytes',
      ofPods(({ swapBytes }) => swapBytes),
    ),
    gauge('scrape_error', '1 if there was an error while getting container metrics, 0 otherwise', [
      { labels: {}, value: 0 },
    ]),
    gauge('resource_scrape_error', '1 if there was an error while getting container metrics, 0 otherwise', [
      { labels: {}, value: 0 },
    ]),
  ];
}

function containersOf(
  { pods }: { readonly pods: readonly PodStats[] },
  atMs: (container: ContainerStats) => number | undefined,
  pick: (container: ContainerStats) => number,
): Sample[] {
  return pods.flatMap(({ name, namespace, containers }) =>
    containers.map((container) => {
      const at = atMs(container);
      const labels = { container: container.name, namespace, pod: name };
      return { labels, value: pick(container), ...(at === undefined ? {} : { atMs: at }) };
    }),
  );
}
