// Everything that this node does to pods, put together: the rooms, their loop, and what the loop says.
import { arch, availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Cgroups } from '../../host/cgroups.ts';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { parseQuantity, value } from '../../kube/quantity.ts';
import type { Node, Pod } from '../../kube/types.ts';
import type { AgentConfig } from '../config/config.ts';
import { createContainers } from '../containers/containers.ts';
import { createLogLinks } from '../containers/log-links.ts';
import { lastWords, messagePath } from '../containers/termination-message.ts';
import type { Engine } from '../docker/engine.ts';
import { createLauncher, type Launcher } from '../docker/launch.ts';
import { createImages } from '../images/images.ts';
import type { DesiredPod, EventSink, PodNetwork, PodObjects, Rejection } from '../model.ts';
import { createProbes, type Probes } from '../probes/probes.ts';
import type { ProbeResult } from '../probes/worker.ts';
import { createSandboxes } from '../sandbox/sandboxes.ts';
import { createStatusWriter, type StatusWriter } from '../status/writer.ts';
import { createVolumes, type VolumesRoom } from '../volumes/volumes.ts';
import { createPodCgroups } from './cgroups.ts';
import type { Handlers } from './execute.ts';
import { createHandlers } from './handlers.ts';
import { createPodLookup, type PodLookup } from './lookup.ts';
import { createMemories, type Memories } from './memory.ts';
import { createObserver, type Observer } from './observe.ts';
import { createPods, type Pods } from './pods.ts';
import { admit, lacksRoom } from './rules/admit.ts';
import { withAllocation } from './rules/resize.ts';
import { syncPod } from './sync.ts';
import { createWorkers, type Workers } from './workers.ts';

export interface NodePodsParts {
  readonly config: AgentConfig;
  readonly engine: Engine;
  readonly cgroupDriver: 'cgroupfs' | 'systemd';
  readonly client: ApiClient;
  readonly network: PodNetwork;
  readonly cgroups: Cgroups;
  readonly events: EventSink;
  readonly objects: PodObjects;
  readonly node: ThisNode;
  /** Where pods come from: all of them must have spoken before anything unwanted may go. */
  readonly sources: readonly DesiredPod['source'][];
  /** The agent's own copy of a pod in the API. */
  readonly apiPod: (namespace: string, name: string) => Pod | undefined;
  /** A probe was made, for those who count. */
  readonly onProbed: (result: ProbeResult) => void;
  /** Why the node takes no such pod now, whatever the pod is like otherwise. */
  readonly refuses: (desired: DesiredPod) => Rejection | undefined;
  /** Nothing of the pod runs or is mounted any more. */
  readonly onTerminated: (uid: string) => void;
  /** Nothing is left of the pod at all. */
  readonly onForgotten: (uid: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** What pods may know of their node. */
export interface ThisNode {
  node(): Node | undefined;
  hostIps(): readonly string[];
  capacity(): Readonly<Record<string, string>>;
}

export interface NodePods {
  readonly loop: Pods;
  /** What the server is told of pods. */
  readonly lookup: PodLookup;
  /** Whether nothing of the pod runs or is mounted any more. */
  isTerminated(uid: string): boolean;
  /** Runs the loop and writes statuses until `signal` ends. Pods stay as they are. */
  run(signal: AbortSignal): Promise<void>;
  /** Ends all probes. */
  stop(): void;
}

const startsPerCore = 2;

/** Makes the rooms; nothing is done before `run`. */
export function createNodePods(parts: NodePodsParts): NodePods {
  const { engine, events, node, client, clock, log, apiPod } = parts;
  const { nodeName } = parts.config;
  const memories = createMemories();
  const volumes = nodeVolumes(parts);
  const observer = nodeObserver(parts);
  const status = createStatusWriter({ client, log, clock, apiPod });
  const probes = createProbes({
    ...{ engine, events, clock, log },
    hostIps: node.hostIps,
    onVerdict: (uid) => loop.wake(uid),
    onResult: parts.onProbed,
  });
  const handlers = nodeHandlers(parts, volumes, memories);
  const loop: Pods = createPods({
    ...{ engine, observer, memories, nodeName, clock, log },
    workers: (desired) =>
      nodeWorkers(parts, { desired, wanted: () => loop.list(), observer, memories, status, probes, handlers }),
    knownDirectories: () => volumes.known(),
    sources: parts.sources,
  });
  return {
    loop,
    lookup: createPodLookup(loop, status),
    isTerminated: (uid) => loop.get(uid) === undefined || memories.of(uid).terminated,
    run: async (signal) => {
      await Promise.all([loop.run(signal), status.run(signal), volumes.run(signal)]);
    },
    stop: () => probes.stop(),
  };
}

const podDirectories =
  ({ rootDir }: AgentConfig) =>
  (uid: string): string =>
    join(rootDir, 'pods', uid);

/** What the API says that pods may have; before it has spoken, what the machine has. */
const allocatableOf =
  ({ node }: NodePodsParts) =>
  (): Readonly<Record<string, string>> =>
    (node.node()?.status?.allocatable as Record<string, string> | undefined) ?? node.capacity();

function nodeVolumes(parts: NodePodsParts): VolumesRoom {
  const { config, engine, objects, node, events, client, clock, log } = parts;
  const labels = (): Readonly<Record<string, string>> => node.node()?.metadata.labels ?? {};
  const about = { name: config.nodeName, labels, allocatable: allocatableOf(parts) };
  return createVolumes({ rootDir: config.rootDir, node: about, objects, events, client, engine, clock, log });
}

function nodeObserver({ config, engine, network }: NodePodsParts): Observer {
  const podDirectory = podDirectories(config);
  return createObserver({
    engine,
    network,
    nodeName: config.nodeName,
    lastWords: (ended, pod, name, restarts, asking) =>
      lastWords(engine, ended, messagePath(podDirectory(pod.uid), name, restarts), asking),
  });
}

/** Those who do what the loop plans. */
function nodeHandlers(parts: NodePodsParts, volumes: VolumesRoom, memories: Memories): Handlers {
  const { config, engine, cgroups, events, objects, node, clock, log } = parts;
  const launcher = createLauncher(engine, log, startsPerCore * availableParallelism());
  const links = createLogLinks(config.podLogsDir, config.containerLogsDir);
  return createHandlers({
    sandboxes: nodeSandboxes(parts, launcher),
    containers: createContainers(
      { engine, launcher, objects, events, links, clock, log },
      {
        nodeName: config.nodeName,
        seccompDirectory: join(config.rootDir, 'seccomp'),
        seccompDefault: config.seccompDefault,
        cgroupVersion: cgroups.version,
        nodeMemoryBytes: value(parseQuantity(node.capacity()['memory'] ?? '0')),
        log: config.log,
        podDirectory: podDirectories(config),
      },
    ),
    images: createImages(
      { engine, objects, events, clock },
      { rootDir: config.rootDir, parallelPulls: config.parallelPulls },
    ),
    cgroups: createPodCgroups(cgroups, { driver: parts.cgroupDriver, root: config.cgroupRoot }),
    node: { name: config.nodeName, hostIps: node.hostIps, allocatable: allocatableOf(parts) },
    ...{ volumes, links, events, memories, clock },
  });
}

function nodeSandboxes({ config, engine, network, events }: NodePodsParts, launcher: Launcher) {
  return createSandboxes(
    { engine, launcher, network, events },
    {
      nodeName: config.nodeName,
      clusterDomain: config.clusterDomain,
      clusterDns: config.clusterDns,
      resolvConfPath: config.resolvConf,
      architecture: arch(),
      podDirectory: podDirectories(config),
    },
  );
}

interface Turning {
  readonly desired: (uid: string) => DesiredPod | undefined;
  readonly wanted: () => readonly DesiredPod[];
  readonly observer: Observer;
  readonly memories: Memories;
  readonly status: StatusWriter;
  readonly probes: Probes;
  readonly handlers: Handlers;
}

/** The serial workers, each turn of which is one `syncPod`. */
function nodeWorkers(parts: NodePodsParts, turning: Turning): Workers {
  const { config, node, events, clock, log } = parts;
  const { wanted, observer, memories, status, probes } = turning;
  const allocatable = allocatableOf(parts);
  const active = () => wanted().map((wish) => withAllocation(wish, memories.of(wish.uid).allocation));
  const sync = {
    ...turning,
    observe: observer.observe,
    admit: (wish: DesiredPod) =>
      parts.refuses(wish) ??
      admit(wish, {
        active: active(),
        node: node.node(),
        allocatable: allocatable(),
        allowedSysctls: config.allowedUnsafeSysctls,
      }),
    lacksRoom: (wish: DesiredPod) => lacksRoom(wish, { active: active(), allocatable: allocatable() }),
    node: { name: config.nodeName, hostIps: node.hostIps, maxBackOffSeconds: config.maxBackOffSeconds },
    ...{ events, clock, log },
  };
  const workers = createWorkers({
    turn: async (uid, signal) => {
      const turn = await syncPod(uid, sync, signal);
      if (memories.of(uid).terminated) parts.onTerminated(uid);
      return turn;
    },
    onOver: (uid) => {
      memories.forget(uid);
      probes.forget(uid);
      status.forget(uid);
      parts.onForgotten(uid);
      for (const waiting of memories.waitingForRoom()) workers.wake(waiting);
    },
    clock,
    log,
    resyncMs: () => config.syncMs * (1 + Math.random() / 2),
  });
  return workers;
}
