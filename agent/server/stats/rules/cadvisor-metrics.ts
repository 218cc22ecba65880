// /metrics/cadvisor: the container_* series that dashboards know, from cgroup files.
import type { NodeStats, PodStats, Usage } from '../model.ts';
import type { Family, Sample } from './exposition.ts';
import type { InterfaceReading } from './proc-files.ts';

interface Series {
  readonly name: string;
  readonly type: Family['type'];
  readonly help: string;
  readonly value: (usage: Usage, disk: Disk) => number | undefined;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Known of containers only, and only where the engine's layers can be measured. */
interface Disk {
  readonly usedBytes?: number;
  readonly capacityBytes?: number;
}

const seconds = (nanos: number): number => nanos / 1e9;

const pressureSeries: readonly Series[] = (['cpu', 'memory', 'io'] as const).flatMap((resource) => [
  {
    name: `container_pressure_${resource}_waiting_seconds_total`,
    type: 'counter',
    help: `Total time duration tasks in the container have waited due to ${resource} congestion.`,
    value: ({ pressure }) => pressure && pressure[resource].some.totalMicros / 1e6,
  },
  {
    name: `container_pressure_${resource}_stalled_seconds_total`,
    type: 'counter',
    help: `Total time duration no tasks in the container could make progress due to ${resource} congestion.`,
    value: ({ pressure }) => pressure && pressure[resource].full.totalMicros / 1e6,
  },
]);

const failures = (scope: string, type: string, value: Series['value']): Series => ({
  name: 'container_memory_failures_total',
  type: 'counter',
  help: 'Cumulative count of memory allocation failures.',
  value,
  labels: { failure_type: type, scope },
});

const usageSeries: readonly Series[] = [
  {
    name: 'container_cpu_usage_seconds_total',
    type: 'counter',
    help: 'Cumulative cpu time consumed in seconds.',
    value: (usage) => seconds(usage.cpuNanos),
    labels: { cpu: 'total' },
  },
  {
    name: 'container_cpu_user_seconds_total',
    type: 'counter',
    help: 'Cumulative user cpu time consumed in seconds.',
    value: (usage) => seconds(usage.userNanos),
  },
  {
    name: 'container_cpu_system_seconds_total',
    type: 'counter',
    help: 'Cumulative system cpu time consumed in seconds.',
    value: (usage) => seconds(usage.systemNanos),
  },
  {
    name: 'container_cpu_cfs_periods_total',
    type: 'counter',
    help: 'Number of elapsed enforcement period intervals.',
    value: (usage) => usage.periods,
  },
  {
    name: 'container_cpu_cfs_throttled_periods_total',
    type: 'counter',
    help: 'Number of throttled period intervals.',
    value: (usage) => usage.throttledPeriods,
  },
  {
    name: 'container_cpu_cfs_throttled_seconds_total',
    type: 'counter',
    help: 'Total time duration the container has been throttled.',
    value: (usage) => seconds(usage.throttledNanos),
  },
  {
    name: 'container_memory_usage_bytes',
    type: 'gauge',
    help: 'Current memory usage in bytes, including all memory regardless of when it was accessed',
    value: (usage) => usage.memoryBytes,
  },
  {
    name: 'container_memory_working_set_bytes',
    type: 'gauge',
    help: 'Current working set in bytes.',
    value: (usage) => usage.workingSetBytes,
  },
  { name: 'container_memory_rss', type: 'gauge', help: 'Size of RSS in bytes.', value: (usage) => usage.rssBytes },
  {
    name: 'container_memory_cache',
    type: 'gauge',
    help: 'Number of bytes of page cache memory.',
    value: (usage) => usage.cacheBytes,
  },
  { name: 'container_memory_swap', type: 'gauge', help: 'Container swap usage in bytes.', value: (u) => u.swapBytes },
  {
    name: 'container_spec_memory_limit_bytes',
    type: 'gauge',
    help: 'Memory limit for the container.',
    value: (usage) => usage.memoryLimitBytes ?? 0,
  },
  {
    name: 'container_processes',
    type: 'gauge',
    help: 'Number of processes running inside the container.',
    value: (usage) => usage.processes,
  },
  {
    name: 'container_threads',
    type: 'gauge',
    help: 'Number of threads running inside the container.',
    value: (usage) => usage.threads,
  },
  {
    name: 'container_memory_max_usage_bytes',
    type: 'gauge',
    help: 'Maximum memory usage recorded in bytes',
    value: (usage) => usage.memoryPeakBytes,
  },
  {
    name: 'container_memory_failcnt',
    type: 'counter',
    help: 'Number of memory usage hits limits',
    value: (usage) => usage.memoryFailures,
  },
  failures('hierarchy', 'pgfault', (usage) => usage.pageFaults),
  failures('hierarchy', 'pgmajfault', (usage) => usage.majorPageFaults),
  {
    name: 'container_oom_events_total',
    type: 'counter',
    help: 'Count of out of memory events observed for the container',
    value: (usage) => usage.oomKills,
  },
  {
    name: 'container_spec_cpu_shares',
    type: 'gauge',
    help: 'CPU share of the container.',
    value: (usage) => usage.cpuShares,
  },
  {
    name: 'container_spec_cpu_quota',
    type: 'gauge',
    help: 'CPU quota of the container.',
    value: (usage) => usage.cpuQuotaMicros,
  },
  {
    name: 'container_spec_cpu_period',
    type: 'gauge',
    help: 'CPU period of the container.',
    value: (usage) => usage.cpuPeriodMicros,
  },
  {
    name: 'container_fs_reads_bytes_total',
    type: 'counter',
    help: 'Cumulative count of bytes read',
    value: (usage) => usage.ioReadBytes,
  },
  {
    name: 'container_fs_writes_bytes_total',
    type: 'counter',
    help: 'Cumulative count of bytes written',
    value: (usage) => usage.ioWrittenBytes,
  },
  {
    name: 'container_fs_usage_bytes',
    type: 'gauge',
    help: 'Number of bytes that are consumed by the container on this filesystem.',
    value: (_, disk) => disk.usedBytes,
  },
  {
    name: 'container_fs_limit_bytes',
    type: 'gauge',
    help: 'Number of bytes that can be consumed by the container on this filesystem.',
    value: (_, disk) => disk.capacityBytes,
  },
  {
    name: 'container_last_seen',
    type: 'gauge',
    help: 'Last time a container was seen by the exporter',
    value: (usage) => Math.floor(usage.atMs / 1000),
  },
  ...pressureSeries,
];

const networkSeries: readonly (readonly [name: string, help: string, value: (one: InterfaceReading) => number])[] = [
  ['receive_bytes', 'Cumulative count of bytes received', (one) => one.rxBytes],
  ['receive_packets', 'Cumulative count of packets received', (one) => one.rxPackets],
  ['receive_errors', 'Cumulative count of errors encountered while receiving', (one) => one.rxErrors],
  ['receive_packets_dropped', 'Cumulative count of packets dropped while receiving', (one) => one.rxDropped],
  ['transmit_bytes', 'Cumulative count of bytes transmitted', (one) => one.txBytes],
  ['transmit_packets', 'Cumulative count of packets transmitted', (one) => one.txPackets],
  ['transmit_errors', 'Cumulative count of errors encountered while transmitting', (one) => one.txErrors],
  ['transmit_packets_dropped', 'Cumulative count of packets dropped while transmitting', (one) => one.txDropped],
];

interface Source {
  readonly labels: Readonly<Record<string, string>>;
  readonly usage: Usage;
  readonly startedAtMs: number;
  readonly disk: Disk;
}

/** Each container, and the pod's own control group with container="". */
function sourcesOf(pod: PodStats, { imageFs }: NodeStats): Source[] {
  const { name, namespace, usage, startedAtMs } = pod;
  const containers = pod.containers.map((one) => ({
    labels: { container: one.name, id: one.id, image: one.image, name: one.id, namespace, pod: name },
    usage: one.usage,
    startedAtMs: one.startedAtMs,
    disk: one.rootFs && imageFs ? { usedBytes: one.rootFs.bytes, capacityBytes: imageFs.capacityBytes } : {},
  }));
  const own = { container: '', id: pod.uid, image: '', name: '', namespace, pod: name };
  return usage ? [...containers, { labels: own, usage, startedAtMs, disk: {} }] : containers;
}

export function cadvisorFamilies(stats: NodeStats): readonly Family[] {
  const sources = stats.pods.flatMap((pod) => sourcesOf(pod, stats));
  const ofUsage = usageSeries.map(({ name, type, help, value, labels: more = {} }): Family => {
    const samples = sources.flatMap(({ labels, usage, disk }): Sample[] => {
      const figure = value(usage, disk);
      return figure === undefined ? [] : [{ labels: { ...labels, ...more }, value: figure, atMs: usage.atMs }];
    });
    return { name, type, help, samples };
  });
  const ofNetwork = networkSeries.map(([name, help, value]) => ({
    ...{ name: `container_network_${name}_total`, type: 'counter' as const, help },
    samples: stats.pods.flatMap((pod) => networkSamples(pod, stats.atMs, value)),
  }));
  return [
    ...byName(ofUsage),
    ...ofNetwork,
    {
      name: 'container_start_time_seconds',
      type: 'gauge',
      help: 'Start time of the container since unix epoch in seconds.',
      samples: sources.map(({ labels, startedAtMs }) => ({ labels, value: startedAtMs / 1000 })),
    },
    machineFamily('machine_cpu_cores', 'Number of logical CPU cores.', stats.cores, stats),
    machineFamily(
      'machine_memory_bytes',
      'Amount of memory installed on the machine.',
      stats.machine.memoryTotalBytes,
      stats,
    ),
  ];
}

/** A family may be said only once: series of one name become one. */
function byName(families: readonly Family[]): readonly Family[] {
  const found = new Map<string, Family>();
  for (const family of families) {
    const known = found.get(family.name);
    found.set(family.name, known ? { ...known, samples: [...known.samples, ...family.samples] } : family);
  }
  return [...found.values()];
}

const machineFamily = (name: string, help: string, value: number, { ids }: NodeStats): Family => ({
  ...{ name, type: 'gauge', help },
  samples: [{ labels: { boot_id: ids.bootId, machine_id: ids.machineId, system_uuid: ids.systemUuid }, value }],
});

/** The network is the sandbox's: container="POD", as it has been since there were sandboxes. */
function networkSamples(pod: PodStats, atMs: number, value: (one: InterfaceReading) => number): Sample[] {
  const { name, namespace, sandboxId } = pod;
  return pod.interfaces.map((one) => ({
    labels: {
      ...{ container: 'POD', id: sandboxId, image: '', interface: one.name, name: sandboxId, namespace, pod: name },
    },
    value: value(one),
    atMs,
  }));
}
