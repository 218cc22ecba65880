// The agent, put together: configuration → parts → run → clean end. The only place where rooms meet.
import { readFile } from 'node:fs/promises';
import { arch, availableParallelism } from 'node:os';
import { join } from 'node:path';
import { runBridge } from '../cni/bridge.ts';
import { openCgroups } from '../host/cgroups.ts';
import { systemClock } from '../host/clock.ts';
import { ensureDirectory } from '../host/files.ts';
import { detectBackend } from '../host/iptables.ts';
import { holdLock } from '../host/locks.ts';
import type { Log } from '../host/log.ts';
import { type ApiClient, createApiClient } from '../kube/client.ts';
import { loadKubeconfig } from '../kube/kubeconfig.ts';
import { parseQuantity, value } from '../kube/quantity.ts';
import { type AgentConfig, ConfigError } from './config/config.ts';
import { createContainers } from './containers/containers.ts';
import { createLogLinks } from './containers/log-links.ts';
import { lastWords, messagePath } from './containers/termination-message.ts';
import { connectEngine } from './docker/connect.ts';
import type { Engine, EngineInfo } from './docker/engine.ts';
import { labels } from './docker/labels.ts';
import { createLauncher } from './docker/launch.ts';
import { createImages } from './images/images.ts';
import { ensureConflist } from './network/ensure-conflist.ts';
import { createPodNetwork, type NodePodNetwork } from './network/network.ts';
import { createPodTrafficRules, forgetUdpFlows, type PodTrafficRules } from './network/traffic.ts';
import { createNode, type NodeAgent } from './node/node.ts';
import { createPodCgroups } from './pod/cgroups.ts';
import { createHandlers } from './pod/handlers.ts';
import { createPodLookup } from './pod/lookup.ts';
import { createMemories } from './pod/memory.ts';
import { createObserver } from './pod/observe.ts';
import { createPods, type Pods } from './pod/pods.ts';
import { admit } from './pod/rules/admit.ts';
import { syncPod } from './pod/sync.ts';
import { createWorkers } from './pod/workers.ts';
import { createProbes } from './probes/probes.ts';
import { createSandboxes } from './sandbox/sandboxes.ts';
import { createHealthzServer } from './server/healthz.ts';
import { createKubeletServer } from './server/server.ts';
import { createApiSource } from './sources/api.ts';
import { createPodObjects, type PodObjectsRoom } from './sources/objects.ts';
import { createEventSink } from './status/events.ts';
import { createStatusWriter } from './status/writer.ts';
import { createVolumes } from './volumes/volumes.ts';

const kubeletVersion = 'v1.36.0';
const startsPerCore = 2;
const tidyMs = 60_000;
const lookAgainMs = 1000;
const flushMs = 2000;

export interface Agent {
  /** Ends the agent. Pods go on running; the next agent adopts them. */
  stop(): Promise<void>;
}

/** Starts the node's agent; resolves when it serves and its loops run. Throws where it cannot be started. */
export async function startAgent(
  config: AgentConfig,
  { log, signal }: { log: Log; signal: AbortSignal },
): Promise<Agent> {
  const stopping = new AbortController();
  const undo: Undo = [];
  const stop = async (): Promise<void> => {
    stopping.abort();
    for (const step of undo.splice(0).reverse()) {
      try {
        await step();
      } catch (err) {
        log.warn({ err }, 'Part could not be stopped');
      }
    }
  };
  try {
    await ensureDirectory(config.rootDir, 0o750);
    const lock = await holdLock(`agent ${config.rootDir}`);
    if (!lock)
      throw new ConfigError(`--root-dir: ${JSON.stringify(config.rootDir)} is in use by another agent on this machine`);
    undo.push(() => lock.release());
    const engine = await connectEngine(config.dockerSocket, signal);
    const client = createApiClient(await loadKubeconfig(config.kubeconfig), `kubelet/${kubeletVersion} (nodelet)`);
    undo.push(() => client.close());
    await run({ config, engine, info: await engine.info(signal), client, log, signal: stopping.signal }, undo);
    return { stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Base {
  readonly config: AgentConfig;
  readonly engine: Engine;
  readonly info: EngineInfo;
  readonly client: ApiClient;
  readonly log: Log;
  /** Ends when the agent does. */
  readonly signal: AbortSignal;
}

/** How to end what was begun; run backwards. */
type Undo = (() => unknown)[];

async function run(base: Base, undo: Undo): Promise<void> {
  const { config, engine, client, log, signal } = base;
  const clock = systemClock;
  const nodeName = config.nodeName;
  const cgroups = await openCgroups();
  if (cgroups.version === 1 && config.failCgroupV1) {
    throw new ConfigError('This host has cgroup version 1: want version 2, or --fail-cgroupv1=false');
  }
  const events = createEventSink(client, nodeName, log, clock);
  const objects = createPodObjects({ client, clock, log });
  const { network, traffic } = await createNetwork(base, () => podCidrOf(config, node));
  const podDirectory = (uid: string): string => join(config.rootDir, 'pods', uid);
  // The loop below knows; the node asks later.
  const pods: { current: Pods | undefined } = { current: undefined };
  const node: NodeAgent = await createNode({
    config: nodeConfigOf(config),
    client,
    engine,
    events,
    clock,
    log,
    runtimeError: () => pods.current?.engineTrouble(),
    networkNotReady: () => network.notReady(),
  });
  const allocatable = (): Readonly<Record<string, string>> =>
    (node.node()?.status?.allocatable as Record<string, string> | undefined) ?? node.capacity();
  const links = createLogLinks(config.podLogsDir, config.containerLogsDir);
  const volumes = createVolumes({
    rootDir: config.rootDir,
    objects,
    node: { name: nodeName, labels: () => node.node()?.metadata.labels ?? {}, allocatable },
    events,
    log,
    clock,
    client,
  });
  const launcher = createLauncher(engine, log, startsPerCore * availableParallelism());
  const memories = createMemories();
  const observer = createObserver({
    engine,
    network,
    nodeName,
    lastWords: (ended, pod, name, restarts, asking) =>
      lastWords(engine, ended, messagePath(podDirectory(pod.uid), name, restarts), asking),
  });
  const probes = createProbes({
    engine,
    events,
    clock,
    log,
    hostIps: node.hostIps,
    onVerdict: (uid) => pods.current?.wake(uid),
  });
  const apiPod = (namespace: string, name: string) => api.informer.get(`${namespace}/${name}`);
  const status = createStatusWriter({ client, log, clock, apiPod });
  const nodeFacts = { name: nodeName, hostIps: node.hostIps, allocatable, maxBackOffSeconds: config.maxBackOffSeconds };
  const handlers = createHandlers({
    sandboxes: createSandboxes(
      { engine, launcher, network, events },
      {
        nodeName,
        clusterDomain: config.clusterDomain,
        clusterDns: config.clusterDns,
        resolvConfPath: config.resolvConf,
        architecture: arch(),
        podDirectory,
      },
    ),
    containers: createContainers(
      { engine, launcher, objects, events, links, clock, log },
      {
        nodeName,
        seccompDirectory: join(config.rootDir, 'seccomp'),
        seccompDefault: config.seccompDefault,
        cgroupVersion: cgroups.version,
        nodeMemoryBytes: value(parseQuantity(node.capacity()['memory'] ?? '0')),
        log: config.log,
        podDirectory,
      },
    ),
    images: createImages(
      { engine, objects, events, clock },
      { rootDir: config.rootDir, parallelPulls: config.parallelPulls },
    ),
    volumes,
    cgroups: createPodCgroups(cgroups, { driver: base.info.cgroupDriver, root: config.cgroupRoot }),
    links,
    events,
    memories,
    node: nodeFacts,
    clock,
  });
  const loop = createPods({
    engine,
    observer,
    memories,
    workers: (desired) =>
      createWorkers({
        turn: (uid, turn) =>
          syncPod(
            uid,
            {
              desired,
              observe: observer.observe,
              memories,
              admit: (wish) =>
                admit(wish, {
                  active: loop.list(),
                  node: node.node(),
                  allocatable: allocatable(),
                  allowedSysctls: config.allowedUnsafeSysctls,
                }),
              probes,
              node: nodeFacts,
              handlers,
              status,
              clock,
              log,
            },
            turn,
          ),
        onOver: (uid) => {
          memories.forget(uid);
          probes.forget(uid);
          status.forget(uid);
        },
        clock,
        log,
        resyncMs: () => config.syncMs * (1 + Math.random() / 2),
      }),
    knownDirectories: () => volumes.known(),
    sources: ['api'],
    nodeName,
    clock,
    log,
  });
  pods.current = loop;
  const retain = (): void => objects.retain(loop.list().map(({ pod }) => pod));
  const api = createApiSource(
    client,
    nodeName,
    {
      put: (desired) => {
        loop.put(desired);
        retain();
      },
      remove: (uid) => {
        loop.remove(uid);
        retain();
      },
      ready: (source) => {
        loop.ready(source);
        retain();
      },
    },
    log,
  );
  undo.push(
    objects.onChange((_kind, namespace) => {
      for (const { uid, pod } of loop.list()) if (pod.metadata.namespace === namespace) loop.wake(uid);
    }),
  );
  const lookup = createPodLookup(loop, status);

  const runs = [
    loop.run(signal),
    node.run(signal),
    objects.run(signal),
    volumes.run(signal),
    status.run(signal),
    untilServices(objects, signal).then(() => api.run(signal)),
    keepNetwork({ base, network, traffic, cidr: () => podCidrOf(config, node) }),
  ];
  undo.push(async () => {
    await Promise.race([events.flushed(), clock.sleep(flushMs)]);
    events.stop();
  });
  undo.push(() => probes.stop());
  undo.push(() => Promise.allSettled(runs));

  if (config.healthz.port !== 0) {
    const healthz = await createHealthzServer(config.healthz);
    undo.push(() => healthz.stop());
  }
  if (config.server.isEnabled) {
    const { tlsCertFile, tlsPrivateKeyFile, clientCaFile } = config.server;
    const server = await createKubeletServer({
      address: config.server.address,
      port: config.server.port,
      tls: { cert: await readFile(tlsCertFile, 'utf8'), key: await readFile(tlsPrivateKeyFile, 'utf8') },
      ...(clientCaFile ? { clientCa: await readFile(clientCaFile, 'utf8') } : {}),
      authorization: config.server.authorization,
      client,
      engine,
      pods: lookup,
      nodeName,
      configuration: () => config.kubelet,
      debuggingHandlers: config.server.debuggingHandlers,
      streamingIdleTimeoutMs: config.server.streamingIdleMs,
      log,
      clock,
    });
    undo.push(() => server.stop());
  }
  events.node({ type: 'Normal', reason: 'Starting', message: 'Starting kubelet.' });
}

const podCidrOf = (config: AgentConfig, node: NodeAgent): string | undefined => {
  const { podCIDRs = [], podCIDR } = node.node()?.spec ?? {};
  const given = podCIDRs.length > 0 ? podCIDRs.join(',') : podCIDR;
  return given || config.podCidr || undefined;
};

function nodeConfigOf(config: AgentConfig) {
  return {
    nodeName: config.nodeName,
    nodeIps: config.nodeIps,
    labels: config.nodeLabels,
    taints: config.taints,
    ...(config.providerId ? { providerId: config.providerId } : {}),
    registerNode: config.registerNode,
    rootDir: config.rootDir,
    serverPort: config.server.port,
    kubeletVersion,
    declaredFeatures: [],
    maxPods: config.maxPods,
    podsPerCore: config.podsPerCore,
    systemReserved: config.systemReserved,
    kubeReserved: config.kubeReserved,
    evictionHard: config.evictionHard,
    maxImages: config.maxImages,
    leaseSeconds: config.leaseSeconds,
    statusUpdateMs: config.statusUpdateMs,
    statusReportMs: config.statusReportMs,
    pressureTransitionMs: config.pressureTransitionMs,
  };
}

interface Network {
  readonly network: NodePodNetwork;
  readonly traffic: PodTrafficRules;
}

/** The pod network with our own bridge in this process, and the rules that let pods talk. */
async function createNetwork({ config, log, signal }: Base, cidr: () => string | undefined): Promise<Network> {
  const network: NodePodNetwork = createPodNetwork({
    confDir: config.cni.confDir,
    binDir: config.cni.binDir,
    stateDir: join(config.rootDir, 'cni'),
    podCidr: cidr,
    bridge: (call, calling) => runBridge(call, calling),
    hostPortsChanged: async (added, calling) => {
      await traffic.ensure(calling);
      await forgetUdpFlows(added);
    },
    log,
  });
  const traffic = createPodTrafficRules({
    backend: await detectBackend(signal),
    cidrs: () => {
      const podCidrs = cidr()?.split(',');
      return (
        podCidrs && { podCidrs, clusterCidrs: config.clusterCidr === '' ? podCidrs : config.clusterCidr.split(',') }
      );
    },
    hostPorts: () => network.hostPorts(),
    clock: systemClock,
    log,
  });
  return { network, traffic };
}

/** Writes our network's configuration once the node has its share, keeps its rules, and frees what vanished sandboxes hold. */
async function keepNetwork(parts: Network & { base: Base; cidr: () => string | undefined }): Promise<void> {
  const { base, network, traffic, cidr } = parts;
  const { config, engine, log, signal } = base;
  const keeping = traffic.keep(signal);
  let writtenFor: string | undefined;
  let tidiedAtMs = 0;
  while (!signal.aborted) {
    try {
      const share = cidr();
      if (share !== undefined && share !== writtenFor) {
        await traffic.ensure(signal);
        await ensureConflist({
          confDir: config.cni.confDir,
          podCidrs: share.split(','),
          leaseDir: join(config.rootDir, 'cni/leases'),
        });
        writtenFor = share;
      }
      if (systemClock.now() - tidiedAtMs > tidyMs) {
        await freeVanished(engine, network, config.nodeName, signal);
        tidiedAtMs = systemClock.now();
      }
    } catch (err) {
      if (!signal.aborted) log.warn({ err }, 'Pod network could not be kept');
    }
    await systemClock.sleep(writtenFor === undefined ? lookAgainMs / 10 : lookAgainMs, signal).catch(() => {});
  }
  await keeping;
}

async function freeVanished(
  engine: Engine,
  network: NodePodNetwork,
  nodeName: string,
  signal: AbortSignal,
): Promise<void> {
  const attached = await network.attached();
  const present = new Set((await engine.listContainers({ [labels.node]: nodeName }, signal)).map(({ id }) => id));
  for (const id of attached) if (!present.has(id)) await network.detach(id, signal);
}

/** Containers get the addresses of services into their environment: before those are known none may start. */
async function untilServices(objects: PodObjectsRoom, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      objects.services('default');
      return;
    } catch {
      await systemClock.sleep(20, signal).catch(() => {});
    }
  }
}
