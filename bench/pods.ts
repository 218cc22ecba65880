// The agent's figures beside Docker's own floor, measured in the same run on a machine of its own: `node bench/pods.ts [pods]`, as root.
// Floor of a pod: a pause container without network and one container in its namespaces, straight through Docker's API.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectEngine } from '../agent/docker/connect.ts';
import type { Engine } from '../agent/docker/engine.ts';
import { parseControlPlaneConfig } from '../controlplane/config/flags.ts';
import { type ControlPlane, startControlPlane } from '../controlplane/main.ts';
import { writeFileAtomic } from '../host/files.ts';
import { silentLog } from '../host/log.ts';
import { type ApiClient, createApiClient } from '../kube/client.ts';
import { createInformer, type Informer } from '../kube/informer.ts';
import { nodes, pods } from '../kube/resources.ts';
import type { Pod } from '../kube/types.ts';
import { createMachine } from '../test/rig/machine.ts';

const root = join(import.meta.dirname, '..');
const image = 'busybox:test';
const nodeIp = '192.168.77.2';
const rounds = 20;
const limitMs = 120_000;
const idleSeconds = 20;

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;

/** One pod's worth of containers, as fast as Docker makes them. */
async function floorPod(engine: Engine, pause: string, name: string): Promise<string[]> {
  const sandbox = await engine.createContainer({
    name: `${name}-pause`,
    image: pause,
    labels: {},
    networkDisabled: true,
  });
  await engine.startContainer(sandbox);
  const app = await engine.createContainer({
    name: `${name}-app`,
    image,
    labels: {},
    command: ['sleep', '3600'],
    networkMode: `container:${sandbox}`,
  });
  await engine.startContainer(app);
  return [sandbox, app];
}

async function removeAll(engine: Engine, ids: readonly string[]): Promise<void> {
  await inParallel(ids, 8, (id) => engine.removeContainer(id));
}

async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

async function floorOneByOne(engine: Engine, pause: string): Promise<number> {
  const took: number[] = [];
  for (let at = 0; at < rounds; at++) {
    const startedAt = performance.now();
    const ids = await floorPod(engine, pause, `floor-${at}`);
    took.push(performance.now() - startedAt);
    await removeAll(engine, ids);
  }
  return percentile(took, 0.5);
}

/** The best of a few widths: more than that only waits. */
async function floorRate(engine: Engine, pause: string, count: number): Promise<number> {
  let best = 0;
  for (const width of [2, 4, 8]) {
    const ids: string[] = [];
    const startedAt = performance.now();
    const names = Array.from({ length: count }, (_, at) => `rate-${width}-${at}`);
    await inParallel(names, width, async (name) => ids.push(...(await floorPod(engine, pause, name))));
    best = Math.max(best, count / ((performance.now() - startedAt) / 1000));
    await removeAll(engine, ids);
  }
  return best;
}

interface Bed {
  readonly client: ApiClient;
  readonly informer: Informer<Pod>;
  readonly agentPid: number;
  stop(): Promise<void>;
}

/** Control plane in this process; the agent in one of its own, so that its weight is its own. */
async function startBed(dir: string, docker: string): Promise<Bed> {
  const stopping = new AbortController();
  const flags = [`--data-dir=${dir}`, `--advertise-address=${nodeIp}`];
  const control = await startControlPlane(parseControlPlaneConfig(flags), { log: silentLog, signal: stopping.signal });
  const agent = await startAgent(control, dir, docker);
  const admin = { name: 'admin', user: 'kubernetes-admin', groups: ['system:masters'] };
  const client = createApiClient(await control.endpointFor(admin));
  const informer = createInformer(client, pods);
  const running = informer.run(stopping.signal);
  await informer.synced;
  await until('the node is ready', async () => {
    const node = await client.get(nodes, { name: 'bench' }).catch(() => undefined);
    return node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
  });
  return {
    client,
    informer,
    agentPid: agent.pid ?? 0,
    stop: async () => {
      agent.kill('SIGINT');
      stopping.abort();
      await running;
      await client.close();
      await control.stop();
    },
  };
}

async function startAgent(control: ControlPlane, dir: string, docker: string): Promise<ChildProcess> {
  const at = (name: string): string => join(dir, name);
  const user = 'system:node:bench';
  await control.writeKubeconfig(at('kubelet.conf'), { name: 'kubelet-bench', user, groups: ['system:nodes'] });
  const serving = await control.servingCertificateFor({
    name: 'serving-bench',
    commonName: user,
    names: ['bench', nodeIp],
  });
  await writeFileAtomic(at('kubelet.crt'), serving.cert);
  await writeFileAtomic(at('kubelet.key'), serving.key);
  await writeFileAtomic(at('ca.crt'), control.ca);
  const flags = [
    `--kubeconfig=${at('kubelet.conf')}`,
    '--hostname-override=bench',
    `--node-ip=${nodeIp}`,
    `--root-dir=${at('kubelet')}`,
    `--pod-logs-dir=${at('logs')}`,
    `--docker-host=unix://${docker}`,
    `--cni-bin-dir=${at('cni/bin')}`,
    `--cni-conf-dir=${at('cni/net.d')}`,
    '--cluster-cidr=10.244.0.0/16',
    `--client-ca-file=${at('ca.crt')}`,
    `--tls-cert-file=${at('kubelet.crt')}`,
    `--tls-private-key-file=${at('kubelet.key')}`,
    '--cluster-dns=10.96.0.10',
    '--fail-cgroupv1=false',
    '--cgroup-root=/nodelet-bench',
  ];
  return spawn(process.execPath, [join(root, 'dist/nodelet.cjs'), 'kubelet', ...flags], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function until(what: string, look: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = Date.now() + limitMs; Date.now() < end; await sleep(20)) if (await look()) return;
  throw new Error(`not within ${limitMs / 1000} s: ${what}`);
}

const podOf = (name: string): Pod =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      automountServiceAccountToken: false,
      // Ends at once when asked to: what is measured is the way, not the program.
      containers: [
        { name: 'c', image, command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 3600 & wait; done'] },
      ],
    },
  }) as Pod;

const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

/** Resolves when the pod is as `is` says; undefined is "gone". */
function whenPod({ informer }: Bed, name: string, is: (pod: Pod | undefined) => boolean): Promise<void> {
  const key = `default/${name}`;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => reject(new Error(`pod ${name} did not get there within ${limitMs / 1000} s`)),
    limitMs,
  );
  const look = (): void => {
    if (is(informer.get(key))) resolve();
  };
  const stop = informer.subscribe((change) => change.object.metadata.name === name && look());
  look();
  return promise.finally(() => {
    clearTimeout(timer);
    stop();
  });
}

const create = async (bed: Bed, name: string): Promise<void> => {
  const made = bed.client.create(pods, podOf(name));
  await Promise.all([made, whenPod(bed, name, (pod) => pod !== undefined && isReady(pod))]);
};

const remove = async (bed: Bed, name: string): Promise<void> => {
  await bed.client.delete(pods, { namespace: 'default', name });
  await whenPod(bed, name, (pod) => pod === undefined);
};

async function oursOneByOne(bed: Bed): Promise<{ readyMs: number; goneMs: number }> {
  const ready: number[] = [];
  const gone: number[] = [];
  for (let at = 0; at < rounds; at++) {
    const createdAt = performance.now();
    await create(bed, `one-${at}`);
    const deletedAt = performance.now();
    ready.push(deletedAt - createdAt);
    await remove(bed, `one-${at}`);
    gone.push(performance.now() - deletedAt);
  }
  return { readyMs: percentile(ready, 0.5), goneMs: percentile(gone, 0.5) };
}

/** Seconds of processor time that a process has used, its ended children included. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at] ?? 0), 0) / 100;
}

const rssMiB = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

interface Row {
  readonly figure: string;
  readonly floor: string;
  readonly ours: string;
  readonly ratio: string;
  readonly target: string;
}

async function measure(bed: Bed, engine: Engine, pause: string, count: number): Promise<Row[]> {
  const floorMs = await floorOneByOne(engine, pause);
  const { readyMs, goneMs } = await oursOneByOne(bed);
  const bestRate = await floorRate(engine, pause, Math.min(count, 50));
  const names = Array.from({ length: count }, (_, at) => `many-${at}`);
  const startedAt = performance.now();
  await Promise.all(names.map((name) => create(bed, name)));
  const rate = count / ((performance.now() - startedAt) / 1000);
  await sleep(10_000);
  const before = cpuSeconds(bed.agentPid);
  await sleep(idleSeconds * 1000);
  const idle = ((cpuSeconds(bed.agentPid) - before) / idleSeconds) * 100;
  const memory = rssMiB(bed.agentPid);
  await Promise.all(names.map((name) => remove(bed, name)));
  const row = (figure: string, floor: string, ours: string, ratio: string, target: string): Row => ({
    figure,
    floor,
    ours,
    ratio,
    target,
  });
  return [
    row(
      'one pod after another, create to Ready, p50',
      `${floorMs.toFixed(0)} ms`,
      `${readyMs.toFixed(0)} ms`,
      `${(readyMs / floorMs).toFixed(2)} ×`,
      '≤ 1.3 ×',
    ),
    row(
      `${count} pods at once`,
      `${bestRate.toFixed(1)}/s`,
      `${rate.toFixed(1)}/s`,
      `${(rate / bestRate).toFixed(2)} ×`,
      '≥ 0.85 ×',
    ),
    row('delete to gone, p50', '', `${goneMs.toFixed(0)} ms`, '', '≤ 350 ms'),
    row(`processor, ${count} idle pods, agent`, '', `${idle.toFixed(2)} %`, '', '≤ 1.5 %'),
    row(`memory, ${count} pods, agent`, '', `${memory.toFixed(0)} MiB`, '', '≤ 130 MiB'),
  ];
}

/** The part that runs inside the machine. */
async function inside(count: number): Promise<void> {
  const docker = process.env['NODELET_TEST_DOCKER'] ?? '';
  const bed = await startBed(join(process.env['NODELET_TEST_DIR'] ?? '', 'bench'), docker);
  try {
    const engine = await connectEngine(docker);
    // The agent has loaded its own pause image once the first pod ran.
    await create(bed, 'warm');
    await remove(bed, 'warm');
    const pause = (await engine.listImages()).find(({ tags }) => tags.some((tag) => tag.includes('pause')))?.tags[0];
    if (!pause) throw new Error('the agent loaded no pause image');
    console.table(await measure(bed, engine, pause, count));
  } finally {
    await bed.stop();
  }
}

async function main(): Promise<void> {
  const count = Number(process.argv[2] ?? 100);
  if (process.env['NODELET_TEST_DOCKER']) return inside(count);
  const machine = await createMachine({ docker: true });
  try {
    const [program = '', ...args] = [...machine.enter, process.execPath, import.meta.filename, String(count)];
    const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...machine.env } });
    // Whoever ends the bench ends its machine as well.
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => child.kill('SIGTERM'));
    process.exitCode = await new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? 1)));
  } finally {
    await machine.remove();
  }
}

await main();
