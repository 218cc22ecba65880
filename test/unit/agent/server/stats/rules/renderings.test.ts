// From one look at the node to what collectors read.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NodeStats, Usage } from '../../../../../../agent/server/stats/model.ts';
import { cadvisorFamilies } from '../../../../../../agent/server/stats/rules/cadvisor-metrics.ts';
import { renderFamilies } from '../../../../../../agent/server/stats/rules/exposition.ts';
import { resourceFamilies } from '../../../../../../agent/server/stats/rules/resource-metrics.ts';
import { summaryOf } from '../../../../../../agent/server/stats/rules/summary.ts';

const usage: Usage = {
  atMs: 5000,
  nanoCores: 250_000_000,
  cpuNanos: 1_500_000_000,
  userNanos: 1_000_000_000,
  systemNanos: 500_000_000,
  periods: 10,
  throttledPeriods: 2,
  throttledNanos: 3_000_000,
  memoryBytes: 1000,
  workingSetBytes: 700,
  rssBytes: 400,
  cacheBytes: 500,
  swapBytes: 0,
  pageFaults: 7,
  majorPageFaults: 1,
  memoryLimitBytes: 2000,
  memoryPeakBytes: 1500,
  memoryFailures: 4,
  oomKills: 1,
  cpuShares: 1024,
  cpuQuotaMicros: undefined,
  cpuPeriodMicros: 100_000,
  ioReadBytes: 123,
  ioWrittenBytes: 456,
  processes: 3,
  threads: 9,
  pressure: undefined,
};
const eth0 = {
  name: 'eth0',
  rxBytes: 1,
  rxPackets: 2,
  rxErrors: 3,
  rxDropped: 4,
  txBytes: 5,
  txPackets: 6,
  txErrors: 7,
  txDropped: 8,
};
const fs = { capacityBytes: 100, availableBytes: 40, usedBytes: 50, inodes: 10, inodesFree: 4 };
const disk = (bytes: number) => ({ bytes, inodes: 1 });
const room = { capacityBytes: 100, availableBytes: 40, usedBytes: 5, inodes: 10, inodesFree: 4, inodesUsed: 2 };
const stats: NodeStats = {
  nodeName: 'n1',
  atMs: 6000,
  machine: {
    cpuNanos: 9_000_000_000,
    nanoCores: undefined,
    startedAtMs: 1000,
    memoryTotalBytes: 10_000,
    memoryBytes: 6000,
    workingSetBytes: 5000,
    rssBytes: 3000,
    pageFaults: 12,
    majorPageFaults: 3,
    swapTotalBytes: 20,
    swapFreeBytes: 5,
  },
  interfaces: [eth0],
  fs,
  imageFs: fs,
  cores: 2,
  ids: { bootId: 'b', machineId: 'm', systemUuid: 's' },
  processes: { count: 617, most: 32768 },
  systemContainers: [{ name: 'pods', startedAtMs: 1500, usage }],
  pods: [
    {
      name: 'web',
      namespace: 'default',
      uid: 'u1',
      startedAtMs: 2000,
      usage,
      interfaces: [eth0],
      sandboxId: 'sand',
      containers: [{ name: 'app', id: 'cid', image: 'img', startedAtMs: 3500, usage, rootFs: disk(3), logs: disk(2) }],
      volumes: [
        { name: 'scratch', plugin: 'empty-dir', isOnDisk: true, ...room },
        { name: 'pv-1', plugin: 'nfs', isOnDisk: false, ...room },
      ],
    },
  ],
};

describe('the summary', () => {
  it('says everything', () => {
    const cpu = { time: '1970-01-01T00:00:05Z', usageNanoCores: 250_000_000, usageCoreNanoSeconds: 1_500_000_000 };
    const memory = {
      time: '1970-01-01T00:00:05Z',
      availableBytes: 1300,
      usageBytes: 1000,
      workingSetBytes: 700,
      rssBytes: 400,
      pageFaults: 7,
      majorPageFaults: 1,
    };
    const swap = { time: '1970-01-01T00:00:05Z', swapUsageBytes: 0 };
    const face = { name: 'eth0', rxBytes: 1, rxErrors: 3, txBytes: 5, txErrors: 7 };
    const at = { time: '1970-01-01T00:00:06Z' };
    const shared = { availableBytes: 40, capacityBytes: 100, inodesFree: 4, inodes: 10 };
    const whole = { ...at, ...shared, usedBytes: 50, inodesUsed: 6 };
    const own = { time: '1970-01-01T00:00:05Z', ...shared, inodesUsed: 1 };
    const rootfs = { ...own, usedBytes: 3 };
    const logs = { ...own, usedBytes: 2 };
    assert.deepEqual(summaryOf(stats, 'everything'), {
      node: {
        nodeName: 'n1',
        systemContainers: [{ name: 'pods', startTime: '1970-01-01T00:00:01Z', cpu, memory, swap }],
        startTime: '1970-01-01T00:00:01Z',
        cpu: { ...at, usageCoreNanoSeconds: 9_000_000_000 },
        memory: {
          ...at,
          availableBytes: 5000,
          usageBytes: 6000,
          workingSetBytes: 5000,
          rssBytes: 3000,
          pageFaults: 12,
          majorPageFaults: 3,
        },
        network: { ...at, ...face, interfaces: [face] },
        fs: whole,
        runtime: { imageFs: whole, containerFs: whole },
        rlimit: { ...at, maxpid: 32768, curproc: 617 },
        swap: { ...at, swapAvailableBytes: 5, swapUsageBytes: 15 },
      },
      pods: [
        {
          podRef: { name: 'web', namespace: 'default', uid: 'u1' },
          startTime: '1970-01-01T00:00:02Z',
          containers: [{ name: 'app', startTime: '1970-01-01T00:00:03Z', cpu, memory, rootfs, logs, swap }],
          cpu,
          memory,
          network: { time: '1970-01-01T00:00:05Z', ...face, interfaces: [face] },
          process_stats: { process_count: 3 },
          swap,
          volume: [{ ...at, ...shared, usedBytes: 5, inodesUsed: 2, name: 'scratch' }],
          'ephemeral-storage': { ...at, ...shared, usedBytes: 10, inodesUsed: 4 },
        },
      ],
    });
  });

  it('says CPU and memory only when asked to', () => {
    const { node, pods } = summaryOf(stats, 'cpu and memory') as { node: object; pods: [{ containers: [object] }] };
    assert.deepEqual(Object.keys(node), ['nodeName', 'systemContainers', 'startTime', 'cpu', 'memory']);
    assert.deepEqual(Object.keys(pods[0]), ['podRef', 'startTime', 'containers', 'cpu', 'memory']);
    assert.deepEqual(Object.keys(pods[0].containers[0]), ['name', 'startTime', 'cpu', 'memory']);
  });
});

describe('metrics', () => {
  it('of resources carry the time of the look, but for start times', () => {
    const samples = renderFamilies(resourceFamilies(stats))
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    assert.deepEqual(samples, [
      'container_cpu_usage_seconds_total{container="app",namespace="default",pod="web"} 1.5 5000',
      'container_memory_working_set_bytes{container="app",namespace="default",pod="web"} 700 5000',
      'container_start_time_seconds{container="app",namespace="default",pod="web"} 3.5',
      'container_swap_usage_bytes{container="app",namespace="default",pod="web"} 0 5000',
      'node_cpu_usage_seconds_total 9 6000',
      'node_memory_working_set_bytes 5000 6000',
      'node_swap_usage_bytes 15 6000',
      'pod_cpu_usage_seconds_total{namespace="default",pod="web"} 1.5 5000',
      'pod_memory_working_set_bytes{namespace="default",pod="web"} 700 5000',
      'pod_swap_usage_bytes{namespace="default",pod="web"} 0 5000',
      'scrape_error 0',
      'resource_scrape_error 0',
    ]);
  });

  it('of containers carry the labels that dashboards join on', () => {
    const text = renderFamilies(cadvisorFamilies(stats));
    const labels = 'container="app",id="cid",image="img",name="cid",namespace="default",pod="web"';
    assert.ok(text.includes(`container_cpu_usage_seconds_total{${labels},cpu="total"} 1.5 5000\n`));
    assert.ok(text.includes(`container_memory_working_set_bytes{${labels}} 700 5000\n`));
    assert.ok(
      text.includes(
        'container_network_receive_bytes_total{container="POD",id="sand",image="",interface="eth0",name="sand",namespace="default",pod="web"} 1 6000\n',
      ),
    );
    assert.ok(text.includes('machine_cpu_cores{boot_id="b",machine_id="m",system_uuid="s"} 2\n'));
  });

  it('escape what a label may not hold, and leave empty families out', () => {
    const family = { name: 'm', type: 'gauge', help: 'h', samples: [{ labels: { a: 'x"\\\n' }, value: 1 }] } as const;
    assert.equal(
      renderFamilies([family, { ...family, samples: [] }]),
      '# HELP m h\n# TYPE m gauge\nm{a="x\\"\\\\\\n"} 1\n',
    );
  });
});
