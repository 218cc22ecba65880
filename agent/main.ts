// The agent, put together: configuration → parts → run → clean end. The only place where rooms meet.
import { basename } from 'node:path';
import { runBridge } from '../cni/bridge.ts';
import { openCgroups } from '../host/cgroups.ts';
import { systemClock } from '../host/clock.ts';
import { ensureDirectory } from '../host/files.ts';
import { holdLock } from '../host/locks.ts';
import type { Log } from '../host/log.ts';
import { ensureSlice } from '../host/slices.ts';
import { type ApiClient, createApiClient } from '../kube/client.ts';
import { KubeconfigError } from '../kube/kubeconfig.ts';
import { openClientCertificate } from './certificates/client.ts';
import { followFile } from './certificates/files.ts';
import { openServingCertificates } from './certificates/serving.ts';
import { type AgentConfig, ConfigError } from './config/config.ts';
import { collectLogs } from './containers/log-collection.ts';
import { connectEngine } from './docker/connect.ts';
import type { Engine } from './docker/engine.ts';
import { createImageCollection } from './images/collection.ts';
import type { EventSink } from './model.ts';
import { createNodeNetwork } from './network/node-network.ts';
import { createEviction, type EvictionWatch } from './node/eviction.ts';
import { readSignals } from './node/facts.ts';
import { keepLevels } from './node/levels.ts';
import { createNode, type NodeAgent } from './node/node.ts';
import { levelsOf } from './node/rules/levels.ts';
import { createShutdown, type ShutdownWatch } from './node/shutdown.ts';
import { keepHouse } from './node/upkeep.ts';
import { levelPath } from './pod/cgroups.ts';
import { collectDead } from './pod/collection.ts';
import { createNodePods, type NodePods } from './pod/node-pods.ts';
import { pauseImage } from './sandbox/pause-image.ts';
import { createNodeCounters, type NodeCounters } from './server/counters.ts';
import { createHealthzServer } from './server/healthz.ts';
import { createKubeletServer } from './server/server.ts';
import { type Collector, createCollector } from './server/stats/collect.ts';
import { podUsages } from './server/stats/rules/pod-usage.ts';
import { createPodObjects } from './sources/objects.ts';
import { createPodSources } from './sources/sources.ts';
import { createEventSink } from './status/events.ts';

const kubeletVersion = 'v1.36.0';
const userAgent = `kubelet/${kubeletVersion} (nodelet)`;
const flushMs = 2000;
/** From here on klog's levels tell of single requests. */
const debugVerbosity = 4;

export interface Agent {
  /** Ends the agent. Pods go on running; the next agent adopts them. */
  stop(): Promise<void>;
}

/** Starts the node's agent; resolves when it serves and its loops run. Throws where it cannot be started. */
export async function startAgent(
  config: AgentConfig,
  { log: given, signal }: { log: Log; signal: AbortSignal },
): Promise<Agent> {
  const log = config.verbosity >= debugVerbosity ? given.child({}, { level: 'debug' }) : given;
  const stopping = new AbortController();
  const undo: Undo = [];
  const stop = async (): Promise<void> => {
    stopping.abort();
    for (const step of undo.splice(0).reverse()) {
      await Promise.try(step).catch((err: unknown) => log.warn({ err }, 'Part could not be stopped'));
    }
  };
  try {
    await takeRoot(config, undo);
    const engine = await connectEngine(config.dockerSocket, signal);
    const certificate = await openClientCertificate({ ...config, userAgent, clock: systemClock, log }, signal);
    const client = createApiClient(certificate.endpoint, userAgent);
    undo.push(() => client.close());
    const keeping = certificate.keep(client.use, client, stopping.signal);
    undo.push(() => keeping);
    await run({ config, engine, client, log, signal: stopping.signal }, undo);
    return { stop };
  } catch (error) {
    await stop();
    throw isConfiguration(error) ? new ConfigError(error.message, { cause: error }) : error;
  }
}

/** Parts tell in their own words that they were asked for what cannot be. */
const isConfiguration = (error: unknown): error is Error =>
  error instanceof RangeError || error instanceof KubeconfigError;

interface Base {
  readonly config: AgentConfig;
  readonly engine: Engine;
  readonly client: ApiClient;
  readonly log: Log;
  /** Ends when the agent does. */
  readonly signal: AbortSignal;
}

/** How to end what was begun; run backwards. */
type Undo = (() => unknown)[];

/** Never two agents on one state. */
async function takeRoot({ rootDir }: AgentConfig, undo: Undo): Promise<void> {
  await ensureDirectory(rootDir, 0o750);
  const lock = await holdLock(`agent ${rootDir}`);
  if (!lock) throw new ConfigError(`--root-dir: ${JSON.stringify(rootDir)} is in use by another agent on this machine`);
  undo.push(() => lock.release());
}

/** Makes the parts, each handed what it needs of the others, and starts their loops. */
async function run(base: Base, undo: Undo): Promise<void> {
  const { config, engine, client, log, signal } = base;
  const { nodeName } = config;
  const clock = systemClock;
  if (config.unheeded.length > 0) log.warn({ settings: config.unheeded }, 'Settings accepted that change nothing here');
  const cgroups = await openCgroups();
  if (cgroups.version === 1 && config.failCgroupV1) {
    throw new ConfigError('This host has cgroup version 1: want version 2, or --fail-cgroupv1=false');
  }
  const events = createEventSink(client, nodeName, log, clock);
  const objects = createPodObjects({ client, clock, log });
  const { network, keep } = await createNodeNetwork(
    {
      ...config.cni,
      rootDir: config.rootDir,
      clusterCidr: config.clusterCidr,
      podCidr: () => podCidrOf(config, node),
      bridge: runBridge,
      ...{ nodeName, engine, client, clock, log },
    },
    signal,
  );
  const { cgroupDriver } = await engine.info(signal);
  const counters = createNodeCounters();
  const node: NodeAgent = await createNode({
    config: nodeConfigOf(config),
    pressure: () => eviction.pressure(),
    runtimeError: () => shutdown.notReady() ?? pods.loop.engineTrouble(),
    networkNotReady: network.notReady,
    ...{ client, engine, events, clock, log },
  });
  const sources = createPodSources({
    ...{ client, nodeName, node: node.node, objects, events, clock, log },
    statics: config.staticPods,
  });
  const pods: NodePods = createNodePods({
    ...{ config, engine, client, network, cgroups, events, objects, node, clock, log },
    cgroupDriver,
    refuses: ({ pod, source }) => shutdown.refuses() ?? eviction.refuses(pod, source !== 'api'),
    onProbed: ({ pod: { metadata }, container, type, result }) =>
      counters.probed({ ...metadata, pod: metadata.name, podUid: metadata.uid, container, type, result }),
    sources: sources.names,
    apiPod: sources.apiPod,
    onTerminated: sources.terminated,
    onForgotten: (uid) => {
      sources.forgotten(uid);
      counters.forget(uid);
    },
  });
  const level = (names: readonly string[]): string =>
    levelPath({ driver: cgroupDriver, root: config.cgroupRoot }, names);
  const collector = createCollector({
    ...{ pods: pods.lookup, engine, nodeName, clock },
    rootDir: config.rootDir,
    podsCgroup: level(['kubepods']),
    diskEveryMs: config.volumeStatsMs,
  });
  const running = () =>
    pods.loop
      .list()
      .flatMap(({ uid, pod, source }) => (pods.isTerminated(uid) ? [] : [{ pod, isStatic: source !== 'api' }]));
  const upkeep = createUpkeep(base, { pods, events });
  const eviction: EvictionWatch = createEviction({
    config: config.eviction,
    signals: async () => {
      const imageDir = (await engine.info(signal)).dataRoot;
      return readSignals({ rootDir: config.rootDir, imageDir, pods: () => cgroups.memory(level(['kubepods'])) });
    },
    pods: running,
    usage: async () => podUsages(await collector.collect()),
    reclaimDisk: upkeep.reclaimDisk,
    terminate: (uid, termination) => pods.loop.terminate(uid, termination),
    isGone: pods.isTerminated,
    onPressure: node.poke,
    onEvicted: counters.evicted,
    ...{ events, clock, log },
  });
  const shutdown: ShutdownWatch = createShutdown({
    steps: config.shutdown,
    pods: () => running().map(({ pod }) => pod),
    terminate: (uid, termination) => pods.loop.terminate(uid, termination),
    isGone: pods.isTerminated,
    onChange: node.poke,
    ...{ nodeName, events, clock, log },
  });
  const levels = {
    levels: () =>
      levelsOf(
        node.capacity(),
        [config.systemReserved, config.kubeReserved],
        running().flatMap(({ pod }) => (pod.status?.qosClass === 'Burstable' ? [pod] : [])),
      ),
    ensure: (names: readonly string[], limits: { cpuShares: number; memoryBytes: number }) =>
      cgroupDriver === 'systemd'
        ? ensureSlice(basename(level(names)), { ...limits, cpuQuotaMicros: 0 }, cgroups.version)
        : cgroups.ensure(level(names), { ...limits, cpuQuotaMicros: 0 }),
    ...{ clock, log },
  };

  const loops = [pods.run(signal), node.run(signal), sources.run(pods.loop, signal), keep(signal)];
  loops.push(eviction.run(signal), shutdown.run(signal), upkeep.run(signal), keepLevels(levels, signal));
  undo.push(async () => {
    await Promise.race([events.flushed(), clock.sleep(flushMs)]);
    events.stop();
  });
  undo.push(pods.stop);
  undo.push(() => Promise.allSettled(loops));
  await serve(base, { pods, node, collector, counters }, undo);
  events.node({ type: 'Normal', reason: 'Starting', message: 'Starting kubelet.' });
}

/** What goes when it has ended, or when room is short: dead containers, logs, images. */
function createUpkeep(
  { config, engine, log, signal: stopping }: Base,
  { pods, events }: { pods: NodePods; events: EventSink },
) {
  const clock = systemClock;
  const images = createImageCollection({
    plan: config.imageCollection,
    pinned: new Set([pauseImage]),
    ...{ engine, events, clock, log },
  });
  const collectContainers = async (signal: AbortSignal): Promise<void> => {
    const present = await collectDead(
      { engine, observeAll: pods.loop.observeAll, limits: config.deadContainers, clock, log },
      signal,
    );
    await collectLogs(config, (uid) => present.has(uid) || pods.loop.get(uid) !== undefined, clock.now());
    await images.look(signal);
  };
  return {
    reclaimDisk: async (signal: AbortSignal): Promise<void> => {
      await collectContainers(signal);
      await images.removeUnused(signal);
    },
    run: (signal = stopping) =>
      keepHouse({ collectDead: collectContainers, collectImages: images.collect, events, clock, log }, signal),
  };
}

interface Served {
  readonly pods: NodePods;
  readonly node: NodeAgent;
  readonly collector: Collector;
  readonly counters: NodeCounters;
}

/** Opens the doors: health for this host, the kubelet API for all who may. */
async function serve(base: Base, { pods, node, collector, counters }: Served, undo: Undo): Promise<void> {
  const { config, engine, client, log, signal } = base;
  if (config.healthz.port !== 0) {
    const healthz = await createHealthzServer(config.healthz);
    undo.push(() => healthz.stop());
  }
  if (!config.server.isEnabled) return;
  const { nodeName, certDir } = config;
  const { clientCaFile, debuggingHandlers, streamingIdleMs, ...door } = config.server;
  const own = { nodeName, client, clock: systemClock, log };
  const serving = await openServingCertificates({ ...door, ...own, certDir, addresses: node.hostIps });
  const server = await createKubeletServer({
    ...{ ...door, ...own, engine, collector, debuggingHandlers },
    registry: counters.registry,
    probeRegistry: counters.probes,
    tls: serving.current,
    ...(clientCaFile ? { clientCa: followFile(clientCaFile, log) } : {}),
    pods: pods.lookup,
    configuration: () => config.kubelet,
    streamingIdleTimeoutMs: streamingIdleMs,
  });
  undo.push(() => server.stop());
  const keeping = serving.keep(signal);
  undo.push(() => keeping);
}

/** The node's share of the pods' addresses: what the API gave it, else what it was told. */
function podCidrOf(config: AgentConfig, node: NodeAgent): string | undefined {
  const { podCIDRs = [], podCIDR } = node.node()?.spec ?? {};
  const given = podCIDRs.length > 0 ? podCIDRs.join(',') : podCIDR;
  return given || config.podCidr || undefined;
}

const nodeConfigOf = (config: AgentConfig) => ({
  ...config,
  labels: config.nodeLabels,
  serverPort: config.server.port,
  kubeletVersion,
  declaredFeatures: [],
});
