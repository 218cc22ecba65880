// The pod network of this node, whole: plugins, rules, routes, and giving back what vanished sandboxes hold.
import { join } from 'node:path';
import type { Clock } from '../../host/clock.ts';
import { detectBackend } from '../../host/iptables.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import type { Engine } from '../docker/engine.ts';
import { labels } from '../docker/labels.ts';
import { ensureConflist } from './ensure-conflist.ts';
import { keepRoutes } from './neighbours.ts';
import { createPodNetwork, type NodePodNetwork } from './network.ts';
import type { CniPlugin } from './plugin.ts';
import { createPodTrafficRules, forgetUdpFlows, type PodTrafficRules } from './traffic.ts';

export interface NodeNetworkParts {
  readonly confDir: string;
  readonly binDir: string;
  /** Records and leases live below it. */
  readonly rootDir: string;
  readonly nodeName: string;
  /** The node's share of the pods' addresses, "10.244.1.0/24,fd00:1::/64"; undefined until it has one. */
  readonly podCidr: () => string | undefined;
  /** The addresses of all pods; empty: the node's own only. */
  readonly clusterCidr: string;
  /** Our own plugin, called in this process. */
  readonly bridge: CniPlugin;
  readonly engine: Pick<Engine, 'listContainers'>;
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
}

export interface NodeNetwork {
  readonly network: NodePodNetwork;
  /** Writes our configuration once the node has its share, and keeps rules and routes until `signal` ends. Never rejects. */
  keep(signal: AbortSignal): Promise<void>;
}

const lookEveryMs = 1000;
/** A new node's first pods wait for its share. */
const lookSoonMs = 100;
const tidyEveryMs = 60_000;

/** Asks which iptables the host uses; nothing is written before `keep`. */
export async function createNodeNetwork(parts: NodeNetworkParts, signal: AbortSignal): Promise<NodeNetwork> {
  const { confDir, binDir, rootDir, podCidr, bridge, clock, log } = parts;
  const network = createPodNetwork({
    confDir,
    binDir,
    stateDir: join(rootDir, 'cni'),
    podCidr,
    bridge,
    hostPortsChanged: async (added, calling) => {
      await traffic.ensure(calling);
      await forgetUdpFlows(added);
    },
    log,
  });
  const traffic: PodTrafficRules = createPodTrafficRules({
    backend: await detectBackend(signal),
    cidrs: () => cidrsOf(podCidr(), parts.clusterCidr),
    hostPorts: () => network.hostPorts(),
    clock,
    log,
  });
  return { network, keep: (keeping) => keep(parts, network, traffic, keeping) };
}

function cidrsOf(own: string | undefined, cluster: string) {
  const podCidrs = own?.split(',');
  return podCidrs && { podCidrs, clusterCidrs: cluster === '' ? podCidrs : cluster.split(',') };
}

async function keep(parts: NodeNetworkParts, network: NodePodNetwork, traffic: PodTrafficRules, signal: AbortSignal) {
  const { podCidr, clock, log } = parts;
  const background = [traffic.keep(signal)];
  let share: string | undefined;
  let tidiedAtMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    try {
      const now = podCidr();
      if (now !== undefined && now !== share) {
        const isFirst = share === undefined;
        await traffic.ensure(signal);
        const isOurs = (await writeConflist(parts, now)) !== 'foreign';
        share = now;
        if (isFirst && isOurs) background.push(keepRoutes(parts, signal));
        // Records may have been lost while no agent ran.
        if (isFirst) await network.collect(signal);
      }
      if (clock.now() - tidiedAtMs > tidyEveryMs) {
        await freeVanished(parts, network, signal);
        tidiedAtMs = clock.now();
      }
    } catch (err) {
      if (!signal.aborted) log.warn({ err }, 'Pod network could not be kept');
    }
    await clock.sleep(share === undefined ? lookSoonMs : lookEveryMs, signal).catch(() => {});
  }
  await Promise.all(background);
}

const writeConflist = ({ confDir, rootDir }: NodeNetworkParts, share: string) =>
  ensureConflist({ confDir, podCidrs: share.split(','), leaseDir: join(rootDir, 'cni/leases') });

async function freeVanished({ engine, nodeName }: NodeNetworkParts, network: NodePodNetwork, signal: AbortSignal) {
  const attached = await network.attached();
  const present = new Set((await engine.listContainers({ [labels.node]: nodeName }, signal)).map(({ id }) => id));
  for (const id of attached) if (!present.has(id)) await network.detach(id, signal);
}
