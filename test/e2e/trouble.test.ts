// What goes wrong, and what a user is told (needs docker): bad manifests, missing images and objects, flags, ports, crashes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CommandError, run } from '../../host/commands.ts';
import { type Cluster, eventually, kubectlPath, nodelet, startCluster } from '../rig/cluster.ts';

const directory = process.env['NODELET_TEST_DIR'] ?? '';
const docker = `unix://${process.env['NODELET_TEST_DOCKER']}`;
const dataDir = join(directory, 'nodelet');
let cluster: Cluster;

before(async () => {
  cluster = await startCluster(dataDir);
});

after(async () => {
  await cluster?.interrupt();
});

const out = async (...args: string[]): Promise<string> => (await cluster.kubectl(...args)).stdout;
const apply = (manifest: unknown): Promise<unknown> =>
  run(kubectlPath(), ['apply', '-f', '-'], { env: cluster.kubectlEnv, input: JSON.stringify(manifest) });
const pod = (name: string, spec: Record<string, unknown>): unknown => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec,
});
const sleeper = { name: 'c', image: 'nodelet.local/busybox:1', command: ['sleep', '3600'] };

test('a manifest that is not valid is refused with the path of the field', async () => {
  await assert.rejects(
    apply(pod('bad', { containers: [{ ...sleeper, imagePullPolicy: 'Sometimes' }] })),
    /spec\.containers\[0\]\.imagePullPolicy: Unsupported value: "Sometimes"/,
  );
  await assert.rejects(apply(pod('Bad_Name', { containers: [sleeper] })), /metadata\.name: Invalid value: "Bad_Name"/);
  await assert.rejects(
    apply(pod('unknown', { containers: [{ ...sleeper, imagee: 'x' }] })),
    /unknown field "spec\.containers\[0\]\.imagee"/,
  );
});

test('a pod whose image, Secret or volume is missing waits with the reason that users know', async () => {
  const cases: readonly { name: string; spec: Record<string, unknown>; waiting?: string; event: RegExp }[] = [
    {
      name: 'no-image',
      spec: { containers: [{ ...sleeper, image: 'nodelet.local/nowhere:1', imagePullPolicy: 'Never' }] },
      waiting: 'ErrImageNeverPull',
      event: /ErrImageNeverPull/,
    },
    {
      name: 'no-registry',
      spec: { containers: [{ ...sleeper, image: 'localhost:1/nothing:1' }] },
      waiting: 'ErrImagePull|ImagePullBackOff',
      event: /Failed to pull image "localhost:1\/nothing:1"/,
    },
    {
      name: 'no-secret',
      spec: {
        containers: [{ ...sleeper, env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'missing', key: 'a' } } }] }],
      },
      waiting: 'CreateContainerConfigError',
      event: /secret "missing" not found/,
    },
    {
      name: 'no-volume',
      spec: {
        volumes: [{ name: 'v', configMap: { name: 'missing' } }],
        containers: [{ ...sleeper, volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
      },
      waiting: 'ContainerCreating',
      event: /MountVolume\.SetUp failed for volume "v" : configmap "missing" not found/,
    },
  ];
  for (const { name, spec } of cases) await apply(pod(name, spec));
  for (const { name, waiting = '', event } of cases) {
    await eventually(`${name} waits as ${waiting}`, async () => {
      const reason = await out(
        'get',
        'pod',
        name,
        '-o',
        'jsonpath={.status.containerStatuses[0].state.waiting.reason}',
      );
      return new RegExp(`^(${waiting})$`).test(reason) ? true : undefined;
    });
    await eventually(`${name} has its event`, async () =>
      event.test(await out('describe', 'pod', name)) ? true : undefined,
    );
  }
  await run(kubectlPath(), ['create', 'secret', 'generic', 'missing', '--from-literal=a=b'], {
    env: cluster.kubectlEnv,
  });
  await out('wait', '--for=condition=Ready', 'pod/no-secret', '--timeout=60s');
  await out('delete', 'pod', '--all', '--grace-period=1', '--timeout=60s');
});

test('a log that is not there is refused in words that say why', async () => {
  await apply(pod('first', { containers: [sleeper] }));
  await out('wait', '--for=condition=Ready', 'pod/first', '--timeout=30s');
  await assert.rejects(
    out('logs', 'first', '--previous'),
    /previous terminated container "c" in pod "first" not found/,
  );
  await out('delete', 'pod', 'first', '--grace-period=1');
});

test('a node reads no secrets but those it can name, and labels itself with nothing that is not its own', async () => {
  const asNode = (...args: string[]): Promise<unknown> =>
    run(kubectlPath(), args, { env: { ...cluster.kubectlEnv, KUBECONFIG: join(dataDir, 'kubelet.conf') } });
  await assert.rejects(asNode('get', 'secrets', '-A'), /is forbidden/);
  const name = (await out('get', 'nodes', '-o', 'name')).trim();
  await assert.rejects(asNode('label', name, 'node-role.kubernetes.io/control-plane='), /not allowed to modify labels/);
});

test('a pod that does not fit stays Pending and says why', async () => {
  await apply(pod('giant', { containers: [{ ...sleeper, resources: { requests: { cpu: '900' } } }] }));
  await eventually('the scheduler explains', async () =>
    /0\/1 nodes are available: 1 Insufficient cpu/.test(await out('describe', 'pod', 'giant')) ? true : undefined,
  );
  await out('delete', 'pod', 'giant');
});

test('Ctrl-C leaves pods running, and starting again adopts them with no restart; so does kill -9', async () => {
  await apply(pod('steady', { containers: [sleeper] }));
  await out('wait', '--for=condition=Ready', 'pod/steady', '--timeout=30s');
  const identity = async (): Promise<string> => {
    const id = await out(
      'get',
      'pod',
      'steady',
      '-o',
      'jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount} {.status.podIP}',
    );
    const { stdout } = await run('docker', ['-H', docker, 'ps', '-q', '--no-trunc']);
    return `${id}\n${stdout.split('\n').sort().join('\n')}`;
  };
  const first = await identity();
  assert.equal(await cluster.interrupt(), 0);
  cluster = await startCluster(dataDir);
  assert.equal(await identity(), first);
  await apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'acknowledged' }, data: { a: 'b' } });
  await cluster.kill();
  cluster = await startCluster(dataDir);
  assert.equal(await out('get', 'configmap', 'acknowledged', '-o', 'jsonpath={.data.a}'), 'b');
  assert.equal(await identity(), first);
  await out('exec', 'steady', '--', 'true');
  await out('delete', 'pod', 'steady', '--grace-period=1');
});

/** Runs a command that must fail; resolves with its exit code and its words. */
async function failing(args: readonly string[]): Promise<{ code: number | null; words: string }> {
  const child = nodelet(args);
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    words += chunk.toString('utf8');
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, words: words.trim() };
}

test('flags that cannot be used are named with what they accept, exit 2', async () => {
  const cases: readonly [string[], RegExp][] = [
    [['up', '--api-port', 'http'], /^nodelet: --api-port "http" cannot be used: want a port, 1 to 65535$/],
    [
      ['up', '--service-cidr', '10.96.0.0/40'],
      /^nodelet: --service-cidr "10\.96\.0\.0\/40" cannot be used: want an IPv4 range/,
    ],
    [['up', '--no-such-flag'], /unknown option '--no-such-flag'/],
    [['kubelet', '--no-such-flag'], /--no-such-flag/],
    [['proxy', '--masquerade-all=maybe'], /--masquerade-all/],
    [['controlplane', '--secure-port=0x10'], /--secure-port "0x10"/],
  ];
  for (const [args, words] of cases) {
    const outcome = await failing(args);
    assert.equal(outcome.code, 2, `${args.join(' ')}: ${outcome.words}`);
    assert.match(outcome.words, words);
    assert.ok(outcome.words.split('\n').length <= 2, outcome.words);
  }
});

test('a port that is taken, and a Docker that does not answer: one clear line each, exit 1', async () => {
  const server = createServer().listen(16443, '0.0.0.0');
  await once(server, 'listening');
  try {
    const taken = await failing([
      'up',
      '--data-dir',
      join(directory, 'other'),
      '--docker-host',
      docker,
      '--api-port',
      '16443',
    ]);
    assert.equal(taken.code, 1);
    assert.match(taken.words, /^nodelet: .*16443.*$/);
  } finally {
    server.close();
  }
  const silent = await failing([
    'up',
    '--data-dir',
    join(directory, 'other'),
    '--docker-host',
    'unix:///nowhere/docker.sock',
  ]);
  assert.deepEqual(silent, { code: 1, words: 'nodelet: Docker does not answer on unix:///nowhere/docker.sock' });
});

test('a second nodelet on the same data directory is refused', async () => {
  const second = await failing(['up', '--data-dir', dataDir, '--docker-host', docker, '--api-port', '7443']);
  assert.equal(second.code, 1);
  assert.match(second.words, /^nodelet: .*in use.*$/);
});

test('reset removes containers, links, rules, mounts and state, and nothing else', async () => {
  const other = (await run('docker', ['-H', docker, 'run', '-d', 'busybox:test', 'sleep', '600'])).stdout.trim();
  await run('iptables', [
    '-A',
    'INPUT',
    '-s',
    '192.0.2.1',
    '-m',
    'comment',
    '--comment',
    'somebody else',
    '-j',
    'ACCEPT',
  ]);
  await apply(pod('last', { containers: [sleeper] }));
  await out('wait', '--for=condition=Ready', 'pod/last', '--timeout=30s');
  assert.equal(await cluster.interrupt(), 0);
  const reset = await failing(['reset', '--data-dir', dataDir, '--docker-host', docker]);
  assert.equal(reset.code, 0, reset.words);
  const containers = (await run('docker', ['-H', docker, 'ps', '-aq', '--no-trunc'])).stdout.trim();
  assert.equal(containers, other);
  const rules = (await run('iptables-save', [])).stdout;
  assert.doesNotMatch(rules, /KUBE-|NODELET/);
  assert.match(rules, /somebody else/);
  assert.match(rules, /DOCKER/);
  assert.doesNotMatch((await run('ip', ['-o', 'link'])).stdout, /nodelet/);
  assert.doesNotMatch((await run('cat', ['/proc/self/mounts'])).stdout, new RegExp(dataDir));
  await assert.rejects(run('ls', [dataDir]), CommandError);
  cluster = await startCluster(dataDir);
  assert.equal((await out('get', 'pods', '-A', '-o', 'name')).trim(), '');
});
