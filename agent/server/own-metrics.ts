// /metrics: this process, and what the kubelet of it does. Label values come from fixed sets: no caller can make them grow.
import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { PodLookup } from './lookup.ts';
import type { Route } from './rules/routes.ts';
import { type Family, renderFamilies } from './stats/rules/exposition.ts';

export interface OwnMetrics {
  /** Other rooms may add theirs. */
  readonly registry: Registry;
  /** Counts a request once it is answered, or taken over by a stream. */
  request(facts: { method: string; route: Route['to']; seconds: number }): void;
  render(): Promise<string>;
}

const methods: ReadonlySet<string> = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD']);

export function createOwnMetrics(pods: PodLookup, nodeName: string, registry = new Registry()): OwnMetrics {
  const registers = [registry];
  const labelNames = ['method', 'path', 'server_type', 'long_running'] as const;
  const requests = new Counter({
    name: 'kubelet_http_requests_total',
    help: 'Number of the http requests received since the server started',
    labelNames,
    registers,
  });
  const durations = new Histogram({
    name: 'kubelet_http_requests_duration_seconds',
    help: 'Duration in seconds to serve http requests',
    labelNames,
    registers,
  });
  const node = new Gauge({
    name: 'kubelet_node_name',
    help: "The node's name. The count is always 1.",
    labelNames: ['node'] as const,
    registers,
  });
  node.set({ node: nodeName }, 1);
  const runningPods = new Gauge({
    name: 'kubelet_running_pods',
    help: 'Number of pods that have a running pod sandbox',
    registers,
  });
  const runningContainers = new Gauge({
    name: 'kubelet_running_containers',
    help: 'Number of containers currently running',
    labelNames: ['container_state'] as const,
    registers,
  });

  async function count(): Promise<void> {
    const observed = await pods.observeAll();
    const sandboxed = observed.filter(({ sandboxes }) => sandboxes.some(({ phase }) => phase === 'running'));
    runningPods.set(sandboxed.length);
    for (const phase of ['created', 'running', 'exited'] as const) {
      const containers = observed.flatMap((pod) => pod.containers.filter((container) => container.phase === phase));
      runningContainers.set({ container_state: phase }, containers.length);
    }
  }

  return {
    registry,
    request({ method, route, seconds }) {
      const known = methods.has(method) ? method : 'other';
      const labels = {
        method: known,
        path: route,
        server_type: 'readwrite',
        long_running: String(longRunning.has(route)),
      };
      requests.inc(labels);
      durations.observe(labels, seconds);
    },
    async render() {
      await count();
      return renderFamilies(processFamilies()) + (await registry.metrics());
    },
  };
}

/** By hand: the library's own would wake the process a hundred times a second to watch the event loop. */
function processFamilies(): readonly Family[] {
  const { user, system } = process.cpuUsage();
  const family = (name: string, type: Family['type'], help: string, value: number): Family => ({
    ...{ name, type, help },
    samples: [{ labels: {}, value }],
  });
  return [
    family(
      'process_cpu_seconds_total',
      'counter',
      'Total user and system CPU time spent in seconds.',
      (user + system) / 1e6,
    ),
    family('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.', process.memoryUsage.rss()),
    family(
      'process_start_time_seconds',
      'gauge',
      'Start time of the process since unix epoch in seconds.',
      performance.timeOrigin / 1000,
    ),
  ];
}

const longRunning: ReadonlySet<string> = new Set(['exec', 'attach', 'portForward', 'containerLogs']);
