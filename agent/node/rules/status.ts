// The node's whole status, from what was read of the machine, the engine and the node's health.
import type { NodeCondition, NodeStatus } from '../../../kube/types.ts';
import { nodeAddresses } from './addresses.ts';
import { type Amounts, allocatableOf, type CapacityPlan, capacityOf, type MachineFacts } from './capacity.ts';
import { type Health, nodeConditions } from './conditions.ts';

export interface StatusFacts {
  readonly nodeName: string;
  readonly ips: readonly string[];
  readonly machine: MachineFacts & {
    readonly machineId: string;
    readonly systemUuid: string;
    readonly bootId: string;
    readonly kernelVersion: string;
    readonly osImage: string;
    readonly architecture: string;
    readonly swapBytes: number;
  };
  readonly kubeletVersion: string;
  readonly serverPort: number;
  /** Undefined while the engine has not answered yet. */
  readonly engine: { readonly version: string; readonly runtimes: readonly string[] } | undefined;
  readonly images: NonNullable<NodeStatus['images']>;
  readonly declaredFeatures: readonly string[];
  readonly health: Health;
}

/** "" is the default handler. Docker maps no user namespaces per pod and no mounts below read-only ones. */
function runtimeHandlers(runtimes: readonly string[]): NonNullable<NodeStatus['runtimeHandlers']> {
  const features = { recursiveReadOnlyMounts: false, userNamespaces: false };
  return ['', ...[...runtimes].sort()].map((name) => ({ name, features }));
}

function nodeInfo({ machine, kubeletVersion, engine }: StatusFacts): NonNullable<NodeStatus['nodeInfo']> {
  return {
    architecture: machine.architecture,
    bootID: machine.bootId,
    containerRuntimeVersion: `docker://${engine?.version ?? 'Unknown'}`,
    kernelVersion: machine.kernelVersion,
    kubeProxyVersion: '',
    kubeletVersion,
    machineID: machine.machineId,
    operatingSystem: 'linux',
    osImage: machine.osImage,
    systemUUID: machine.systemUuid,
    ...(machine.swapBytes > 0 ? { swap: { capacity: machine.swapBytes } } : {}),
  };
}

/** Capacity that others wrote into the node (extended resources) counts, and is handed through. */
function wholeCapacity(api: NodeStatus, own: Amounts): Amounts {
  const foreign = Object.entries(api.capacity ?? {}).filter(([name]) => name.includes('/'));
  return { ...Object.fromEntries(foreign.map(([name, amount]) => [name, String(amount)])), ...own };
}

/** `api` is the node's status as the API has it, empty for a node that is new. */
export function deriveNodeStatus(
  facts: StatusFacts,
  plan: CapacityPlan,
  api: NodeStatus,
  nowText: string,
): NodeStatus & { conditions: NodeCondition[] } {
  const capacity = wholeCapacity(api, capacityOf(facts.machine, plan));
  const { declaredFeatures, engine } = facts;
  return {
    addresses: nodeAddresses(facts.ips, facts.nodeName),
    capacity,
    allocatable: allocatableOf(capacity, plan),
    nodeInfo: nodeInfo(facts),
    daemonEndpoints: { kubeletEndpoint: { Port: facts.serverPort } },
    images: facts.images,
    ...(engine ? { runtimeHandlers: runtimeHandlers(engine.runtimes) } : {}),
    features: { supplementalGroupsPolicy: false },
    ...(declaredFeatures.length > 0 ? { declaredFeatures: [...declaredFeatures].sort() } : {}),
    conditions: nodeConditions(facts.health, api.conditions ?? [], nowText),
  };
}
