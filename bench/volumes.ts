// The volumes' figures, measured on a machine of their own against a whole nodelet's API server: `node bench/volumes.ts [pods to start]`, as root.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectEngine } from '../agent/docker/connect.ts';
import type { Engine } from '../agent/docker/engine.ts';
import { createLauncher, type Launcher } from '../agent/docker/launch.ts';
import type { DesiredPod } from '../agent/model.ts';
import { createPodObjects } from '../agent/sources/objects.ts';
import { createVolumes, type VolumesRoom } from '../agent/volumes/volumes.ts';
import { systemClock } from '../host/clock.ts';
import { silentLog } from '../host/log.ts';
import { type ApiClient, createApiClient } from '../kube/client.ts';
import { loadKubeconfig } from '../kube/kubeconfig.ts';
import { configMaps, secrets } from '../kube/resources.ts';
import type { Volume } from '../kube/types.ts';
import { container, desiredPod } from '../test/builders/pod.ts';
import { startCluster } from '../test/rig/cluster.ts';
import { createMachine } from '../test/rig/machine.ts';

interface Figures {
  readonly pods: number;
  readonly plainMs: number;
  readonly withVolumesMs: number;
  readonly memoryMiB: number;
  readonly requestsPerMinute: number;
  readonly updateMs: number;
}

const wanted = { ratio: 1.15, memoryMiB: 30, updateMs: 10_000 };
const watchers = 100;
const batch = 10;
const secretCount = 1000;
const quietMs = 30_000;
const limitMs = 10 * 60_000;
const never = new AbortController().signal;

interface Bed {
  readonly client: ApiClient;
  readonly engine: Engine;
  readonly launcher: Launcher;
  readonly volumes: VolumesRoom;
  /** API requests so far, watches included. */
  requests(): number;
}

/** The API client, with its requests counted. */
function counted(client: ApiClient): { client: ApiClient; requests: () => number } {
  let count = 0;
  const handler: ProxyHandler<ApiClient> = {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        count += 1;
        return Reflect.apply(member, target, args) as unknown;
      };
    },
  };
  return { client: new Proxy(client, handler), requests: () => count };
}

const podOf = (volumes: readonly Volume[]): DesiredPod => {
  const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/v/${name}` }));
  const uid = randomUUID();
  const spec = { volumes: [...volumes], containers: [container('main', { volumeMounts })] };
  return desiredPod(spec, { uid, name: `bench-${uid}`, namespace: 'default' });
};

/** As a pod has them: own settings and secrets, and what every pod gets. */
const fiveVolumes: readonly Volume[] = [
  { name: 'settings', configMap: { name: 'settings' } },
  { name: 'more', configMap: { name: 'settings', items: [{ key: 'a', path: 'deep/a' }] } },
  { name: 'login', secret: { secretName: 'secret-0' } },
  { name: 'key', secret: { secretName: 'secret-1', defaultMode: 0o400 } },
  {
    name: 'all',
    projected: {
      sources: [
        { configMap: { name: 'settings' } },
        { secret: { name: 'secret-2' } },
        { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
      ],
    },
  },
];

/** A pod as the engine sees it: a sandbox, then its container. */
async function start({ volumes, launcher, engine }: Bed, desired: DesiredPod): Promise<void> {
  const plan = { image: 'busybox:test', labels: { bench: desired.uid }, command: ['sleep', '3600'] };
  await volumes.ensure(desired, never);
  const sandbox = await launcher.launch({ ...plan, name: `sandbox-${desired.uid}`, networkDisabled: true }, never);
  const [main] = desired.pod.spec.containers;
  const mounts = main ? await volumes.mountsFor(desired, main, { env: {} }, never) : [];
  const networkMode = `container:${sandbox}`;
  const id = await launcher.launch({ ...plan, name: `main-${desired.uid}`, networkMode, mounts }, never);
  await engine.inspectContainer(id);
}

async function startAll(bed: Bed, volumes: readonly Volume[], count: number): Promise<number> {
  const all = Array.from({ length: count }, () => podOf(volumes));
  const startedAt = performance.now();
  await Promise.all(all.map((desired) => start(bed, desired)));
  const ms = performance.now() - startedAt;
  for (const { id } of await bed.engine.listContainers({ bench: '' })) await bed.engine.removeContainer(id);
  for (const { uid } of all) await bed.volumes.forget(uid, never);
  return ms;
}

/** In small turns, one after the other, so that a noisy machine is noisy for both. */
async function measureStarts(bed: Bed, pods: number): Promise<Pick<Figures, 'plainMs' | 'withVolumesMs' | 'pods'>> {
  await startAll(bed, fiveVolumes, 2);
  let [plainMs, withVolumesMs] = [0, 0];
  for (let done = 0; done < pods; done += batch) {
    plainMs += await startAll(bed, [], batch);
    withVolumesMs += await startAll(bed, fiveVolumes, batch);
  }
  return { pods, plainMs, withVolumesMs };
}

function residentMiB(): number {
  globalThis.gc?.();
  return process.memoryUsage().rss / 2 ** 20;
}

/** As a pod does: what is not known in time is asked for again. */
async function ready({ volumes }: Bed, desired: DesiredPod): Promise<void> {
  for (const end = performance.now() + limitMs / 10; ; await sleep(200)) {
    try {
      return await volumes.ensure(desired, never);
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}

async function measureSecrets(bed: Bed): Promise<Pick<Figures, 'memoryMiB' | 'requestsPerMinute'>> {
  const beforeMiB = residentMiB();
  const perPod = 10;
  const wishes = Array.from({ length: secretCount / perPod }, (_, pod) =>
    podOf(
      Array.from({ length: perPod }, (_unused, one) => ({
        name: `s${one}`,
        secret: { secretName: `secret-${pod * perPod + one}` },
      })),
    ),
  );
  for (const desired of wishes) await ready(bed, desired);
  const memoryMiB = residentMiB() - beforeMiB;
  const before = bed.requests();
  await sleep(quietMs);
  const requestsPerMinute = ((bed.requests() - before) * 60_000) / quietMs;
  for (const { uid } of wishes) await bed.volumes.forget(uid, never);
  return { memoryMiB, requestsPerMinute };
}

async function measureUpdate(bed: Bed): Promise<number> {
  const wishes = Array.from({ length: watchers }, () => podOf([{ name: 'settings', configMap: { name: 'settings' } }]));
  const files: string[] = [];
  for (const desired of wishes) {
    await bed.volumes.ensure(desired, never);
    const [main] = desired.pod.spec.containers;
    const [mount] = main ? await bed.volumes.mountsFor(desired, main, { env: {} }, never) : [];
    files.push(join(mount?.hostPath ?? '', 'a'));
  }
  const at = { namespace: 'default', name: 'settings' };
  const startedAt = performance.now();
  await bed.client.patch(configMaps, at, { type: 'merge', body: { data: { a: 'new' } } });
  for (const file of files) {
    while ((await readFile(file, 'utf8')) !== 'new') {
      if (performance.now() - startedAt > limitMs / 10) throw new Error('the update was not seen within a minute');
      await sleep(5);
    }
  }
  return performance.now() - startedAt;
}

async function createObjects(client: ApiClient): Promise<void> {
  const named = (name: string) => ({ name, namespace: 'default' }) as never;
  const data = Object.fromEntries('abcdefgh'.split('').map((key) => [key, key.repeat(100)]));
  await client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: named('settings'), data });
  const names = Array.from({ length: secretCount }, (_, at) => `secret-${at}`);
  const lane = async (): Promise<void> => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      const content = { token: Buffer.alloc(1000, name).toString('base64') };
      await client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: named(name), data: content });
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
}

async function measure(pods: number): Promise<Figures> {
  const directory = process.env['NODELET_TEST_DIR'] ?? '';
  const cluster = await startCluster(join(directory, 'cluster'));
  const ended = new AbortController();
  const { client, requests } = counted(
    createApiClient(await loadKubeconfig(join(cluster.dataDir, 'admin.conf')), 'bench'),
  );
  try {
    await createObjects(client);
    const engine = await connectEngine(process.env['NODELET_TEST_DOCKER'] ?? '');
    const [log, clock] = [silentLog, systemClock];
    const objects = createPodObjects({ client, clock, log });
    const volumes = createVolumes({
      rootDir: join(directory, 'bench'),
      objects,
      node: { name: 'bench', allocatable: () => ({ memory: '4Gi' }), labels: () => ({}) },
      events: { pod: () => {}, node: () => {} },
      ...{ log, clock, engine },
    });
    const running = [objects.run(ended.signal), volumes.run(ended.signal)];
    const bed: Bed = { client, engine, launcher: createLauncher(engine, log, 4), volumes, requests };
    const updateMs = await measureUpdate(bed);
    console.error(`update ${updateMs.toFixed(0)} ms`);
    const held = await measureSecrets(bed);
    console.error(`secrets ${JSON.stringify(held)}`);
    const figures = { updateMs, ...held, ...(await measureStarts(bed, pods)) };
    ended.abort();
    await Promise.all(running);
    return figures;
  } finally {
    ended.abort();
    await client.close();
    await cluster.interrupt();
  }
}

function print({ pods, plainMs, withVolumesMs, memoryMiB, requestsPerMinute, updateMs }: Figures): void {
  const perPod = (ms: number): string => `${(ms / pods).toFixed(0)} ms per pod`;
  const ratio = withVolumesMs / plainMs;
  const rows = [
    [`${pods} pods without volumes`, perPod(plainMs), ''],
    [`${pods} pods with five volumes`, perPod(withVolumesMs), ''],
    ['with : without', ratio.toFixed(2), `at most ${wanted.ratio}`],
    [`${secretCount} mounted secrets`, `${memoryMiB.toFixed(1)} MiB`, `at most ${wanted.memoryMiB} MiB`],
    ['requests while nothing changes', `${requestsPerMinute.toFixed(1)} per minute`, 'none'],
    [`an update seen by ${watchers} pods`, `${(updateMs / 1000).toFixed(2)} s`, `within ${wanted.updateMs / 1000} s`],
  ];
  for (const [what = '', figure = '', goal = ''] of rows)
    console.log(`${what.padEnd(34)} ${figure.padEnd(18)} ${goal}`);
}

async function main(): Promise<void> {
  if (process.argv[2] === '--measure') {
    process.stdout.write(JSON.stringify(await measure(Number(process.argv[3]))));
    return;
  }
  const machine = await createMachine({ docker: true });
  try {
    const [program = '', ...enter] = machine.enter;
    const args = [
      ...enter,
      process.execPath,
      '--expose-gc',
      import.meta.filename,
      '--measure',
      process.argv[2] ?? '100',
    ];
    const env = { ...process.env, ...machine.env };
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'inherit'], timeout: limitMs });
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`The measurement ended with ${code ?? 'a signal'}`);
    print(JSON.parse(Buffer.concat(output).toString('utf8')) as Figures);
  } finally {
    await machine.remove();
  }
}

await main();
