// A pod's network: runs the configured plugins over a sandbox, remembers what they answered, and takes it back.
import { statSync } from 'node:fs';
import { ipBatch } from '../../host/links.ts';
import type { Log } from '../../host/log.ts';
import type { Pod } from '../../kube/types.ts';
import type { PodNetwork } from '../model.ts';
import { type AttachmentRecord, createAttachmentStore } from './attachments.ts';
import { createConfDir } from './conf-dir.ts';
import { type CniCall, type CniPlugin, processPlugin } from './plugin.ts';
import { capabilityArgs, cniArgs, ipRanges } from './rules/arguments.ts';
import { addressesOf, type PluginConfig, pluginInput } from './rules/conflist.ts';
import { hostPortsOf } from './rules/host-ports.ts';
import type { HostPort } from './rules/traffic.ts';

/** The plugin type that is ours: called in this process, which saves a Node.js start per pod. */
export const BRIDGE_TYPE = 'nodelet-bridge';
const POD_INTERFACE = 'eth0';
const UNINITIALIZED = 'cni config uninitialized';

export interface PodNetworkOptions {
  readonly confDir: string;
  readonly binDir: string;
  /** Where answers are kept, so that addresses outlive this process. */
  readonly stateDir: string;
  /** The node's pod CIDR or CIDRs ("10.244.1.0/24,fd00:1::/64"), once known. */
  readonly podCidr: () => string | undefined;
  readonly bridge: CniPlugin;
  /** Called when `hostPorts` has changed: the pod is attached once its ports lead to it. */
  readonly hostPortsChanged?: (added: readonly HostPort[], signal: AbortSignal) => Promise<void>;
  readonly log: Log;
}

export interface NodePodNetwork extends PodNetwork {
  /** The node's ports that lead to pods, all of them. */
  hostPorts(): Promise<readonly HostPort[]>;
  /** Gives back what plugins hold for sandboxes that no record stands for. For the start, when records may have been lost. */
  collect(signal: AbortSignal): Promise<void>;
}

export function createPodNetwork(options: PodNetworkOptions): NodePodNetwork {
  const { confDir, binDir, stateDir, podCidr, bridge, hostPortsChanged = async () => {}, log } = options;
  const conf = createConfDir(confDir, log);
  const store = createAttachmentStore(stateDir);
  const known = new Map<string, readonly string[]>();
  const inTurn = createTurns();
  let loading: Promise<Map<string, readonly HostPort[]>> | undefined;
  const pluginOf = ({ type }: PluginConfig): CniPlugin => (type === BRIDGE_TYPE ? bridge : processPlugin(type, binDir));

  async function attach(
    sandbox: { id: string; pid: number },
    pod: Pod,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const netns = `/proc/${sandbox.pid}/ns/net`;
    const before = await store.get(sandbox.id);
    if (before?.result !== undefined && isSameNetns(before)) return remember(sandbox.id, addressesOf(before.result));
    // What a process that was killed has begun is taken back first.
    if (before) await takeBack(before, signal);
    const record = await begin(sandbox.id, netns, pod);
    try {
      const result = await addAll(record, signal);
      await store.put({ ...record, result });
      const ips = remember(sandbox.id, addressesOf(result));
      await openHostPorts({ ...record, result }, signal);
      return ips;
    } catch (error) {
      // Should this fail too, the record stays, and the sandbox is in `attached` until a DEL has worked.
      await takeBack(record, AbortSignal.timeout(30_000)).catch(() => undefined);
      throw setUpError(pod, error);
    }
  }

  async function begin(sandboxId: string, netns: string, pod: Pod): Promise<AttachmentRecord> {
    const network = conf.current();
    if (!network) throw new Error(UNINITIALIZED);
    const record: AttachmentRecord = {
      sandboxId,
      pod: `${pod.metadata.namespace}/${pod.metadata.name}`,
      netns,
      netnsInode: inodeOf(netns) ?? 0,
      network,
      args: cniArgs(pod, sandboxId),
      capabilityArgs: capabilityArgs(pod, podCidr()?.split(',') ?? []),
    };
    await store.put(record);
    return record;
  }

  async function addAll(record: AttachmentRecord, signal: AbortSignal): Promise<unknown> {
    const { network, netns } = record;
    // Ours brings the loopback interface up by itself.
    if (network.plugins[0]?.type !== BRIDGE_TYPE) await ipBatch(['link set dev lo up'], { netns, signal });
    let result: unknown;
    for (const plugin of network.plugins) {
      result = await pluginOf(plugin)(callOf('ADD', record, plugin, netns, result), signal);
    }
    return result;
  }

  /** The last plugin first, each with the whole answer. */
  async function takeBack(record: AttachmentRecord, signal: AbortSignal): Promise<void> {
    const netns = isSameNetns(record) ? record.netns : '';
    for (const plugin of record.network.plugins.toReversed()) {
      await pluginOf(plugin)(callOf('DEL', record, plugin, netns, record.result), signal);
    }
    known.delete(record.sandboxId);
    if ((await ports()).delete(record.sandboxId)) await hostPortsChanged([], signal);
    await store.remove(record.sandboxId);
  }

  async function openHostPorts(record: AttachmentRecord, signal: AbortSignal): Promise<void> {
    const added = portsOf(record);
    if (added.length === 0) return;
    (await ports()).set(record.sandboxId, added);
    await hostPortsChanged(added, signal);
  }

  /** From disk once, then in memory: pods that ran before this process keep their ports. */
  function ports(): Promise<Map<string, readonly HostPort[]>> {
    loading ??= loadPorts().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  }

  async function loadPorts(): Promise<Map<string, readonly HostPort[]>> {
    const records = await Promise.all((await store.ids()).map((id) => store.get(id)));
    const entries = records.flatMap((record) => (record ? [[record.sandboxId, portsOf(record)] as const] : []));
    return new Map(entries.filter(([, opened]) => opened.length > 0));
  }

  /** Before a record is written nothing is given, so no attach that is under way can lose by this. */
  async function collect(signal: AbortSignal): Promise<void> {
    const network = conf.current();
    if (!network) return;
    const valid = (await store.ids()).map((containerID) => ({ containerID, ifname: POD_INTERFACE }));
    // Ranges come from the node, not from a pod: a plugin that declares the capability does not parse without them.
    const ranges = ipRanges(podCidr()?.split(',') ?? []);
    for (const plugin of network.plugins.filter(({ type }) => type === BRIDGE_TYPE || network.cniVersion === '1.1.0')) {
      const config = { ...pluginInput(network, plugin, ranges, undefined), 'cni.dev/valid-attachments': valid };
      await pluginOf(plugin)({ command: 'GC', containerId: '', netns: '', ifName: '', args: '', config }, signal);
    }
  }

  function remember(sandboxId: string, addresses: readonly string[]): readonly string[] {
    known.set(sandboxId, addresses);
    return addresses;
  }

  return {
    notReady: () => (conf.current() ? undefined : UNINITIALIZED),
    attach: (sandbox, pod, signal) => inTurn(sandbox.id, () => attach(sandbox, pod, signal)),
    detach: (sandboxId, signal) =>
      inTurn(sandboxId, async () => {
        const record = await store.get(sandboxId);
        if (record) await takeBack(record, signal);
        else await store.remove(sandboxId);
      }),
    async addresses(sandboxId) {
      const remembered = known.get(sandboxId);
      if (remembered) return remembered;
      const record = await store.get(sandboxId);
      return record?.result === undefined ? [] : remember(sandboxId, addressesOf(record.result));
    },
    attached: () => store.ids(),
    collect,
    hostPorts: async () => [...(await ports()).values()].flat(),
  };
}

function callOf(
  command: 'ADD' | 'DEL',
  record: AttachmentRecord,
  plugin: PluginConfig,
  netns: string,
  prevResult: unknown,
): CniCall {
  const { sandboxId, args, network, capabilityArgs: capabilities } = record;
  const config = pluginInput(network, plugin, capabilities, prevResult);
  return { command, containerId: sandboxId, netns, ifName: POD_INTERFACE, args, config };
}

function portsOf({ pod, network, capabilityArgs: asked, result }: AttachmentRecord): readonly HostPort[] {
  return hostPortsOf(pod, network, asked, addressesOf(result));
}

function inodeOf(netns: string): number | undefined {
  try {
    return statSync(netns).ino;
  } catch {
    return undefined;
  }
}

function isSameNetns({ netns, netnsInode }: AttachmentRecord): boolean {
  return inodeOf(netns) === netnsInode;
}

function setUpError(pod: Pod, cause: unknown): Error {
  const words = cause instanceof Error ? cause.message : String(cause);
  const { name, namespace } = pod.metadata;
  return new Error(`networkPlugin cni failed to set up pod "${name}_${namespace}" network: ${words}`, { cause });
}

/** Never two calls about one sandbox at once. */
function createTurns(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const before = last.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    last.set(key, mine);
    const forget = (): void => {
      if (last.get(key) === mine) last.delete(key);
    };
    mine.then(forget, forget);
    return mine;
  };
}
