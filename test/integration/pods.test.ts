// needs docker: pods on a real engine, with a network out of the air.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createContainers } from '../../agent/containers/containers.ts';
import { createLogLinks } from '../../agent/containers/log-links.ts';
import { lastWords, messagePath } from '../../agent/containers/termination-message.ts';
import { connectEngine } from '../../agent/docker/connect.ts';
import type { Engine } from '../../agent/docker/engine.ts';
import { createLauncher } from '../../agent/docker/launch.ts';
import { createImages } from '../../agent/images/images.ts';
import type { DesiredPod, EventSink, PodEvent, Volumes } from '../../agent/model.ts';
import { createPodCgroups } from '../../agent/pod/cgroups.ts';
import { createHandlers } from '../../agent/pod/handlers.ts';
import { createMemories } from '../../agent/pod/memory.ts';
import { createObserver } from '../../agent/pod/observe.ts';
import { createPods } from '../../agent/pod/pods.ts';
import { syncPod } from '../../agent/pod/sync.ts';
import { createWorkers } from '../../agent/pod/workers.ts';
import { createSandboxes } from '../../agent/sandbox/sandboxes.ts';
import { openCgroups } from '../../host/cgroups.ts';
import { systemClock } from '../../host/clock.ts';
import { silentLog } from '../../host/log.ts';
import type { PodStatus } from '../../kube/types.ts';
import { container, desiredPod } from '../builders/pod.ts';
import { createFakePodNetwork } from '../fakes/pod-network.ts';
import { createFakePodObjects } from '../fakes/pod-objects.ts';

const directory = process.env['NODELET_TEST_DIR'] ?? '';
const socket = process.env['NODELET_TEST_DOCKER'] ?? '';
const waitMs = 30_000;

const noVolumes: Volumes = {
  ensure: async () => {},
  mountsFor: async () => [],
  devicesFor: async () => [],
  remove: async () => {},
  forget: async () => {},
  known: async () => [],
};

const network = createFakePodNetwork();

/** Everything of an agent that has to do with pods; several may follow each other on one engine. */
async function startPods(engine: Engine) {
  const log = process.env['NODELET_TEST_LOG'] ? (await import('../../host/log.ts')).createLog('test') : silentLog;
  const clock = systemClock;
  const events: { uid: string; event: PodEvent }[] = [];
  const sink: EventSink = { pod: (pod, event) => void events.push({ uid: pod.metadata.uid, event }), node: () => {} };
  const statuses = new Map<string, PodStatus>();
  const podDirectory = (uid: string): string => join(directory, 'pods', uid);
  const info = await engine.info();
  const launcher = createLauncher(engine, log, 4);
  const links = createLogLinks(join(directory, 'log/pods'), join(directory, 'log/containers'));
  const memories = createMemories();
  const objects = createFakePodObjects();
  const cgroups = createPodCgroups(await openCgroups(), { driver: info.cgroupDriver, root: '/nodelet-test' });
  const node = { name: 'node-1', hostIps: () => ['192.168.77.2'], allocatable: () => ({}), maxBackOffSeconds: 300 };
  const sandboxes = createSandboxes(
    { engine, launcher, network, events: sink },
    {
      nodeName: node.name,
      clusterDomain: 'cluster.local',
      clusterDns: ['10.96.0.10'],
      resolvConfPath: '',
      architecture: process.arch,
      podDirectory,
    },
  );
  const containers = createContainers(
    { engine, launcher, objects, events: sink, links, clock, log },
    {
      nodeName: node.name,
      seccompDirectory: join(directory, 'seccomp'),
      seccompDefault: false,
      cgroupVersion: info.cgroupVersion,
      nodeMemoryBytes: 8 * 2 ** 30,
      log: { maxSizeBytes: 1_000_000, maxFiles: 2 },
      podDirectory,
    },
  );
  const images = createImages({ engine, objects, events: sink, clock }, { rootDir: directory, parallelPulls: 1 });
  const handlers = createHandlers({
    sandboxes,
    containers,
    images,
    volumes: noVolumes,
    cgroups,
    links,
    events: sink,
    memories,
    node,
    clock,
  });
  const observer = createObserver({
    engine,
    network,
    nodeName: node.name,
    lastWords: (ended, pod, name, restarts, signal) =>
      lastWords(engine, ended, messagePath(podDirectory(pod.uid), name, restarts), signal),
  });
  const terminated = new Set<string>();
  const pods = createPods({
    engine,
    observer,
    memories,
    workers: (desired) =>
      createWorkers({
        turn: (uid, signal) =>
          syncPod(
            uid,
            {
              desired,
              observe: observer.observe,
              memories,
              admit: () => undefined,
              lacksRoom: () => undefined,
              events: sink,
              probes: {
                follow: () => {},
                verdicts: () => new Map(),
                stopLivenessAndStartup: () => {},
                forget: () => {},
              },
              node,
              handlers,
              status: {
                publish: ({ uid: of }, status) => void statuses.set(of, status),
                published: (of) => statuses.get(of),
                markTerminated: (of) => void terminated.add(of),
              },
              clock,
              log,
            },
            signal,
          ),
        onOver: memories.forget,
        clock,
        log,
        resyncMs: () => 60_000,
      }),
    knownDirectories: noVolumes.known,
    sources: ['api'],
    nodeName: node.name,
    clock,
    log,
  });
  const stopping = new AbortController();
  const ended = pods.run(stopping.signal);
  return {
    pods,
    events,
    statuses,
    terminated,
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

type Running = Awaited<ReturnType<typeof startPods>>;

async function until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + waitMs; Date.now() < end; await sleep(10)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(`${what}: not within ${waitMs} ms`);
}

const phase = (of: Running, { uid }: DesiredPod, wanted: string): Promise<true> =>
  until(`pod ${uid} to be ${wanted}`, () => (of.statuses.get(uid)?.phase === wanted ? true : undefined));

const nextUid = randomUUID;
const forever = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'];

let engine: Engine;
let agent: Running;

before(async () => {
  engine = await connectEngine(socket);
  agent = await startPods(engine);
  agent.pods.ready('api');
});

after(async () => {
  for (const { uid } of agent.pods.list()) agent.pods.remove(uid);
  await until('all pods to go', async () => ((await engine.listContainers({})).length === 0 ? true : undefined));
  await agent.stop();
});

test('two containers of one pod run and share localhost; the pod goes without a trace', async () => {
  const web = container('web', {
    command: ['sh', '-c', 'mkdir /www; hostname > /www/index.html; exec httpd -f -p 127.0.0.1:8080 -h /www'],
  });
  const asker = container('asker', {
    command: ['sh', '-c', 'until wget -qO- http://127.0.0.1:8080/; do sleep 0.1; done; exec sleep 1000'],
  });
  const desired = desiredPod({ containers: [web, asker] }, { uid: nextUid(), name: 'pair' });
  agent.pods.put(desired);
  await phase(agent, desired, 'Running');
  const observed = await agent.pods.observe(desired.uid);
  assert.deepEqual(
    observed.containers.map(({ name, phase: at }) => `${name} ${at}`),
    ['asker running', 'web running'],
  );
  const { id = '' } = observed.containers[0] ?? {};
  const said = await until('the answer', async () => {
    for await (const { data } of engine.containerLogs(id, {}, AbortSignal.timeout(5000))) {
      const text = data.toString();
      if (text.includes('pair')) return text;
    }
    return undefined;
  });
  assert.equal(said.trim(), 'pair');
  agent.pods.remove(desired.uid);
  await until('its logs to go', () =>
    existsSync(join(directory, 'log/pods', `default_pair_${desired.uid}`)) ? undefined : true,
  );
  assert.deepEqual((await agent.pods.observe(desired.uid)).sandboxes, []);
});

test('a second agent adopts what runs and touches nothing', async () => {
  const desired = desiredPod(
    { containers: [container('main', { command: forever })] },
    { uid: nextUid(), name: 'kept' },
  );
  agent.pods.put(desired);
  await phase(agent, desired, 'Running');
  const before = await agent.pods.observe(desired.uid);
  await agent.stop();
  agent = await startPods(engine);
  agent.pods.put(desired);
  agent.pods.ready('api');
  await phase(agent, desired, 'Running');
  assert.deepEqual(await agent.pods.observe(desired.uid), before);
  assert.deepEqual(agent.events, []);
});

test('init containers run in order, and a pod whose containers are done succeeds', async () => {
  const initContainers = ['one', 'two'].map((name) => container(name, { command: ['true'] }));
  const main = container('main', { command: ['sh', '-c', 'echo bye > /dev/termination-log'] });
  const desired = desiredPod(
    { initContainers, containers: [main], restartPolicy: 'Never' },
    { uid: nextUid(), name: 'job' },
  );
  agent.pods.put(desired);
  await phase(agent, desired, 'Succeeded');
  await until('its release', () => (agent.terminated.has(desired.uid) ? true : undefined));
  const status = agent.statuses.get(desired.uid);
  assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.message, 'bye\n');
  const observed = await agent.pods.observe(desired.uid);
  const order = observed.containers.toSorted((a, b) => a.createdAtMs - b.createdAtMs).map(({ name }) => name);
  assert.deepEqual(order, ['one', 'two', 'main']);
});

test('a crashing container starts again at once, then waits', async () => {
  const desired = desiredPod(
    { containers: [container('main', { command: ['sh', '-c', 'exit 3'] })] },
    { uid: nextUid(), name: 'crash' },
  );
  agent.pods.put(desired);
  const waiting = await until('the back-off', () => {
    const state = agent.statuses.get(desired.uid)?.containerStatuses?.[0];
    return state?.state?.waiting?.reason === 'CrashLoopBackOff' ? state : undefined;
  });
  assert.equal(waiting.restartCount, 1);
  assert.equal(waiting.lastState?.terminated?.exitCode, 3);
  assert.equal(
    waiting.state?.waiting?.message,
    `back-off 10s restarting failed container=main pod=crash_default(${desired.uid})`,
  );
});

test('what cannot be created waits with the reason that users know', async () => {
  const bad = [
    container('nul', { command: ['a\0b'] }),
    container('absent', { image: 'nodelet.invalid/absent:1', imagePullPolicy: 'Never' }),
    container('name', { image: 'Bad Image' }),
    container('config', { env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'no', key: 'k' } } }] }),
    container('program', { command: ['/no/such/program'] }),
  ];
  const desired = desiredPod({ containers: bad }, { uid: nextUid(), name: 'bad' });
  agent.pods.put(desired);
  const reasons = await until('all reasons', () => {
    const all = agent.statuses.get(desired.uid)?.containerStatuses ?? [];
    const found = all.map(({ name, state }) => `${name} ${state?.waiting?.reason}`);
    return found.every((text) => !/undefined|ContainerCreating/.test(text)) && found.length > 0 ? found : undefined;
  });
  assert.deepEqual(reasons.filter((text) => !text.startsWith('program')).sort(), [
    'absent ErrImageNeverPull',
    'config CreateContainerConfigError',
    'name InvalidImageName',
    'nul CreateContainerConfigError',
  ]);
});

test('deletion runs the hook, stops within the grace and is not undone', async () => {
  const main = container('main', {
    command: forever,
    lifecycle: { preStop: { exec: { command: ['sh', '-c', 'echo hooked > /dev/termination-log'] } } },
  });
  const desired = desiredPod({ containers: [main] }, { uid: nextUid(), name: 'goner' });
  agent.pods.put(desired);
  await phase(agent, desired, 'Running');
  const { pod } = desired;
  const metadata = { ...pod.metadata, deletionTimestamp: new Date().toISOString(), deletionGracePeriodSeconds: 20 };
  agent.pods.put({ ...desired, pod: { ...pod, metadata } });
  await until('its release', () => (agent.terminated.has(desired.uid) ? true : undefined));
  const status = agent.statuses.get(desired.uid);
  assert.equal(status?.phase, 'Succeeded');
  assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.message, 'hooked\n');
});
