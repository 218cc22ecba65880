// The agent, put together: configuration → parts → run → clean end. The only place where rooms meet.
import { runBridge } from '../cni/bridge.ts';
import { openCgroups } from '../host/cgroups.ts';
import { systemClock } from '../host/clock.ts';
import { ensureDirectory } from '../host/files.ts';
import { holdLock } from '../host/locks.ts';
import type { Log } from '../host/log.ts';
import { type ApiClient, createApiClient } from '../kube/client.ts';
import { loadKubeconfig } from '../kube/kubeconfig.ts';
import { followFile } from './certificates/files.ts';
import { type AgentConfig, ConfigError } from './config/config.ts';
import { connectEngine } from './docker/connect.ts';
import type { Engine } from './docker/engine.ts';
import { createNodeNetwork } from './network/node-network.ts';
import { createNode, type NodeAgent } from './node/node.ts';
import { createNodePods, type NodePods } from './pod/node-pods.ts';
import { createHealthzServer } from './server/healthz.ts';
import { createKubeletServer } from './server/server.ts';
import { createPodObjects } from './sources/objects.ts';
import { createPodSources } from './sources/sources.ts';
import { createEventSink } from './status/events.ts';

const kubeletVersion = 'v1.36.0';
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
    const client = createApiClient(await loadKubeconfig(config.kubeconfig), `kubelet/${kubeletVersion} (nodelet)`);
    undo.push(() => client.close());
    await run({ config, engine, client, log, signal: stopping.signal }, undo);
    return { stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

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
  const node: NodeAgent = await createNode({
    config: nodeConfigOf(config),
    runtimeError: () => pods.loop.engineTrouble(),
    networkNotReady: network.notReady,
    ...{ client, engine, events, clock, log },
  });
  const sources = createPodSources({
    ...{ client, nodeName, node: node.node, objects, events, clock, log },
    statics: config.staticPods,
  });
  const pods: NodePods = createNodePods({
    ...{ config, engine, client, network, cgroups, events, objects, node, clock, log },
    cgroupDriver: (await engine.info(signal)).cgroupDriver,
    sources: sources.names,
    apiPod: sources.apiPod,
    onTerminated: sources.terminated,
    onForgotten: sources.forgotten,
  });

  const loops = [pods.run(signal), node.run(signal), sources.run(pods.loop, signal), keep(signal)];
  undo.push(async () => {
    await Promise.race([events.flushed(), clock.sleep(flushMs)]);
    events.stop();
  });
  undo.push(pods.stop);
  undo.push(() => Promise.allSettled(loops));
  await serve(base, pods, undo);
  events.node({ type: 'Normal', reason: 'Starting', message: 'Starting kubelet.' });
}

/** Opens the doors: health for this host, the kubelet API for all who may. */
async function serve({ config, engine, client, log }: Base, pods: NodePods, undo: Undo): Promise<void> {
  if (config.healthz.port !== 0) {
    const healthz = await createHealthzServer(config.healthz);
    undo.push(() => healthz.stop());
  }
  if (!config.server.isEnabled) return;
  const { tlsCertFile, tlsPrivateKeyFile, clientCaFile, address, port } = config.server;
  const [cert, key] = [followFile(tlsCertFile, log), followFile(tlsPrivateKeyFile, log)];
  const server = await createKubeletServer({
    ...{ address, port, client, engine, log },
    tls: () => ({ cert: cert(), key: key() }),
    ...(clientCaFile ? { clientCa: followFile(clientCaFile, log) } : {}),
    authorization: config.server.authorization,
    pods: pods.lookup,
    nodeName: config.nodeName,
    rootDir: config.rootDir,
    configuration: () => config.kubelet,
    debuggingHandlers: config.server.debuggingHandlers,
    streamingIdleTimeoutMs: config.server.streamingIdleMs,
    clock: systemClock,
  });
  undo.push(() => server.stop());
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
