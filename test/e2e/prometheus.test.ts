// A real Prometheus scrapes the kubelet (needs docker): every endpoint is read, and common queries have answers.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../rig/cluster.ts';
import { nodeIp, startNode, type TestNode } from '../rig/node.ts';
import { ask as askKubelet } from '../rig/server/kubelet-server.ts';

const directory = join(process.env['NODELET_TEST_DIR'] ?? '', 'watched');
const listen = '127.0.0.1:9090';
const paths = ['metrics', 'metrics/cadvisor', 'metrics/resource', 'metrics/probes'];
let node: TestNode;
let prometheus: ChildProcess;
const words: string[] = [];

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'main',
        image: 'busybox:test',
        command: ['sh', '-c', 'dd if=/dev/zero of=/scratch/x bs=1M count=2; while true; do :; done'],
        volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
        livenessProbe: { exec: { command: ['true'] }, periodSeconds: 1 },
        resources: { limits: { cpu: '100m', memory: '64Mi' } },
      },
    ],
    volumes: [{ name: 'scratch', emptyDir: {} }],
  },
};

before(async () => {
  node = await startNode(directory, ['--volume-stats-agg-period=1s']);
  await node.kubectl(['apply', '-f', '-'], JSON.stringify(pod));
  await node.kubectl(['wait', '--for=condition=Ready', 'pod/web', '--timeout=60s']);
  await startPrometheus();
});

after(async () => {
  const gone = prometheus && new Promise((resolve) => prometheus.once('exit', resolve));
  prometheus?.kill('SIGTERM');
  await gone;
  await node?.kubectl(['delete', 'pod', 'web', '--force', '--grace-period=0']).catch(() => {});
  await node?.stop();
});

async function startPrometheus(): Promise<void> {
  const at = (name: string): string => join(directory, 'prometheus', name);
  await mkdir(at('data'), { recursive: true });
  await writeFile(at('cert.pem'), node.admin.cert ?? '');
  await writeFile(at('key.pem'), node.admin.key ?? '');
  const jobs = paths.map((path) => ({
    job_name: path,
    scheme: 'https',
    metrics_path: `/${path}`,
    tls_config: { cert_file: at('cert.pem'), key_file: at('key.pem'), insecure_skip_verify: true },
    static_configs: [{ targets: [`${nodeIp}:10250`] }],
  }));
  const config = { global: { scrape_interval: '2s', scrape_timeout: '2s' }, scrape_configs: jobs };
  // JSON is YAML too.
  await writeFile(at('prometheus.yml'), JSON.stringify(config));
  prometheus = spawn(
    'prometheus',
    [`--config.file=${at('prometheus.yml')}`, `--storage.tsdb.path=${at('data')}`, `--web.listen-address=${listen}`],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  for (const stream of [prometheus.stdout, prometheus.stderr])
    stream?.on('data', (chunk: Buffer) => words.push(chunk.toString('utf8')));
}

async function ask(path: string): Promise<unknown> {
  const response = await fetch(`http://${listen}/api/v1/${path}`, { signal: AbortSignal.timeout(5000) });
  return ((await response.json()) as { data: unknown }).data;
}

const door = { host: nodeIp, port: 10_250, rejectUnauthorized: false };
const identity = () => ({ cert: node.admin.cert ?? '', key: node.admin.key ?? '' });

interface Target {
  readonly scrapePool: string;
  readonly health: string;
  readonly lastError: string;
}

test('every endpoint is scraped without complaint', async () => {
  const health = await eventually('all targets are up', async () => {
    const { activeTargets } = (await ask('targets')) as { activeTargets: Target[] };
    const seen = activeTargets.map(({ scrapePool, health: state, lastError }) => `${scrapePool} ${state} ${lastError}`);
    return seen.length > 0 && activeTargets.every(({ health: state }) => state !== 'unknown') ? seen.sort() : undefined;
  });
  assert.deepEqual(health, paths.map((path) => `${path} up `).sort());
  assert.doesNotMatch(words.join(''), /out of order|duplicate|too far/i);
});

const queries: readonly [because: string, query: string, min: number, max: number][] = [
  [
    'CPU of a container that spins',
    'rate(container_cpu_usage_seconds_total{job="metrics/cadvisor",container="main",pod="web"}[10s])',
    0.001,
    0.5,
  ],
  ['it is throttled', 'container_cpu_cfs_throttled_periods_total{container="main"}', 1, 1e9],
  ['its memory', 'container_memory_working_set_bytes{job="metrics/cadvisor",container="main"}', 1, 64 * 1024 * 1024],
  ['its limit', 'container_spec_memory_limit_bytes{container="main"}', 64 * 1024 * 1024, 64 * 1024 * 1024],
  ['its quota', 'container_spec_cpu_quota{container="main"} / container_spec_cpu_period{container="main"}', 0.1, 0.1],
  ['its layer', 'container_fs_usage_bytes{container="main"}', 0, 1e7],
  ['its pod’s network', 'container_network_receive_bytes_total{pod="web",interface="eth0"}', 1, 1e9],
  [
    'the same as metrics-server reads it',
    'pod_memory_working_set_bytes{job="metrics/resource",pod="web"}',
    1,
    64 * 1024 * 1024,
  ],
  ['when it began', 'time() - container_start_time_seconds{job="metrics/resource",container="main"}', 0, 600],
  ['no error', 'resource_scrape_error', 0, 0],
  ['its liveness probe', 'prober_probe_total{probe_type="Liveness",result="successful",pod="web"}', 1, 1e6],
  ['pods that run', 'kubelet_running_pods', 1, 1],
  ['the machine', 'machine_cpu_cores', 1, 4096],
];
for (const [because, query, min, max] of queries) {
  test(`a query has an answer: ${because}`, async () => {
    const value = await eventually(query, async () => {
      const { result } = (await ask(`query?query=${encodeURIComponent(query)}`)) as {
        result: { value: [number, string] }[];
      };
      return result.length === 1 ? Number(result[0]?.value[1]) : undefined;
    });
    assert.ok(value >= min && value <= max, `${query} is ${value}, want ${min} to ${max}`);
  });
}

test('the summary tells of disks, volumes and what all pods use', async () => {
  const summary = await eventually('the pod’s volume is measured', async () => {
    const read = JSON.parse((await askKubelet({ ...door, ...identity(), path: '/stats/summary' })).body);
    return read.pods[0]?.volume?.some(({ usedBytes }: { usedBytes: number }) => usedBytes >= 2 * 1024 * 1024)
      ? read
      : undefined;
  });
  assert.deepEqual(
    summary.node.systemContainers.map(({ name }: { name: string }) => name),
    ['pods'],
  );
  assert.ok(summary.node.rlimit.curproc > 0 && summary.node.runtime.imageFs.capacityBytes > 0);
  assert.ok(summary.pods[0]['ephemeral-storage'].usedBytes >= 2 * 1024 * 1024);
  assert.ok(summary.pods[0].containers[0].logs.usedBytes >= 0 && summary.pods[0].containers[0].rootfs.inodesUsed > 0);
});
