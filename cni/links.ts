// Looks at and makes the bridge and the cables. The only part that talks to the kernel.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { ipBatch, LinkError, type LinkState, linkExists, type RouteState, removeLink } from '../host/links.ts';
import { type Attachment, type BridgeConfig, CniCode, CniError, type ObservedAttachment } from './model.ts';
import type { SeenAttachment } from './rules/check.ts';
import { planBridge, planHostSide, planPodSide } from './rules/plan.ts';

export { removeLink };

/** Throws CniError 3 where the namespace is gone, and 4 where it is the host's own. */
export function checkNetns(netns: string): void {
  try {
    if (statSync(netns).ino !== statSync('/proc/self/ns/net').ino) return;
  } catch (cause) {
    throw new CniError(CniCode.UnknownContainer, `Cannot find network namespace "${netns}"`, String(cause), cause);
  }
  throw new CniError(CniCode.InvalidEnvironment, `Invalid CNI_NETNS "${netns}": it is the host's own namespace`);
}

/** Makes the bridge where there is none. Two callers at once are fine. */
export async function ensureBridge(config: BridgeConfig, signal?: AbortSignal): Promise<void> {
  if (linkExists(config.bridge)) return;
  try {
    await ipBatch(planBridge(config), signal ? { signal } : {});
  } catch (error) {
    if (!(error instanceof LinkError && error.reason === 'Exists')) throw error;
  }
  // A pod could else become the node's IPv6 router by one packet (CVE-2020-10749).
  writeSysctl(`ipv6/conf/${config.bridge}/accept_ra`, '0');
  if (!config.isGateway) return;
  writeSysctl('ipv4/ip_forward', '1');
  if (config.rangeSets.some(([range]) => range.subnet.family === 6)) writeSysctl('ipv6/conf/all/forwarding', '1');
}

function writeSysctl(name: string, value: string): void {
  const path = `/proc/sys/net/${name}`;
  try {
    if (readFileSync(path, 'utf8').trim() !== value) writeFileSync(path, value);
  } catch (error) {
    // A kernel without IPv6 has no such file, and nothing to be set.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Plugs the cable in, the pod's end straight into its namespace. */
export async function plugIn(
  config: BridgeConfig,
  attachment: Attachment,
  signal?: AbortSignal,
): Promise<ObservedAttachment> {
  const [[bridge] = [], [host] = []] = await ipBatch(planHostSide(config, attachment), signal ? { signal } : {});
  return observed(attachment, bridge, host);
}

function observed(attachment: Attachment, bridge?: LinkState, host?: LinkState): ObservedAttachment {
  if (bridge?.address === undefined || host?.address === undefined) {
    throw new CniError(CniCode.HostRefused, `Cannot see link "${attachment.hostIfName}" after it was made`);
  }
  return { bridgeMac: bridge.address, hostMac: host.address, mtu: host.mtu };
}

/** Addresses, state and routes inside the pod's namespace. */
export async function setUpPodSide(attachment: Attachment, signal?: AbortSignal): Promise<void> {
  await ipBatch(planPodSide(attachment), { netns: attachment.netns, ...(signal ? { signal } : {}) });
}

/** All that CHECK compares. What is not there is absent; no link in the pod is no error here. */
export async function lookAt(
  config: BridgeConfig,
  attachment: Attachment,
  signal?: AbortSignal,
): Promise<SeenAttachment> {
  const { netns, ifName, hostIfName } = attachment;
  const inPod = { netns, ...(signal ? { signal } : {}) };
  const onHost = signal ? { signal } : {};
  const [bridge, host, pod] = await Promise.all([
    showLink(config.bridge, onHost),
    showLink(hostIfName, onHost),
    showLink(ifName, inPod),
  ]);
  const [v4 = []] = await ipBatch<RouteState>([`route show dev ${ifName}`], inPod).catch(orNothing<RouteState>);
  const [v6 = []] = await ipBatch<RouteState>([`route show dev ${ifName}`], { ...inPod, family: 6 }).catch(
    orNothing<RouteState>,
  );
  return { bridge, host, pod, routes: [...v4, ...v6] };
}

async function showLink(
  name: string,
  options: { netns?: string; signal?: AbortSignal },
): Promise<LinkState | undefined> {
  const [[link] = []] = await ipBatch([`address show dev ${name}`], options).catch(orNothing<LinkState>);
  return link;
}

function orNothing<T>(error: unknown): T[][] {
  if (error instanceof LinkError && error.reason === 'NotFound') return [];
  throw error;
}
