// What a pod says to the plugins of its network: CNI_ARGS, and arguments for the capabilities that they declare.
import { parseQuantity, value } from '../../../kube/quantity.ts';
import type { Pod } from '../../../kube/types.ts';

const INGRESS = 'kubernetes.io/ingress-bandwidth';
const EGRESS = 'kubernetes.io/egress-bandwidth';
/** Bits. The token bucket is never the limit: only the rate is. */
const UNLIMITED_BURST = 2_147_483_647;

export function cniArgs(pod: Pod, sandboxId: string): string {
  const { namespace, name, uid } = pod.metadata;
  return [
    'IgnoreUnknown=1',
    `K8S_POD_NAMESPACE=${namespace}`,
    `K8S_POD_NAME=${name}`,
    `K8S_POD_INFRA_CONTAINER_ID=${sandboxId}`,
    `K8S_POD_UID=${uid}`,
  ].join(';');
}

/** Throws an Error for a bandwidth annotation outside 1k to 1P. */
export function capabilityArgs(pod: Pod, podCidrs: readonly string[]): Readonly<Record<string, unknown>> {
  const portMappings = hostPorts(pod);
  const limits = bandwidth(pod);
  const dns = pod.spec.dnsConfig;
  return {
    ...(portMappings.length > 0 ? { portMappings } : {}),
    ...(Object.keys(limits).length > 0 ? { bandwidth: limits } : {}),
    ...ipRanges(podCidrs),
    ...(dns ? { dns: { servers: dns.nameservers ?? [], searches: dns.searches ?? [] } } : {}),
  };
}

/** The node's share as the capability "ipRanges" wants it: one set per block. */
export function ipRanges(podCidrs: readonly string[]): Readonly<Record<string, unknown>> {
  return podCidrs.length > 0 ? { ipRanges: podCidrs.map((subnet) => [{ subnet }]) } : {};
}

function hostPorts(pod: Pod) {
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...pod.spec.containers, ...sidecars]
    .flatMap(({ ports = [] }) => ports)
    .flatMap(({ hostPort = 0, containerPort, protocol = 'TCP', hostIP = '' }) =>
      hostPort > 0 ? [{ hostPort, containerPort, protocol: protocol.toLowerCase(), hostIP }] : [],
    );
}

function bandwidth(pod: Pod): Readonly<Record<string, number>> {
  const annotations = pod.metadata.annotations ?? {};
  const ingress = bitsPerSecond(annotations, INGRESS);
  const egress = bitsPerSecond(annotations, EGRESS);
  return {
    ...(ingress === undefined ? {} : { ingressRate: ingress, ingressBurst: UNLIMITED_BURST }),
    ...(egress === undefined ? {} : { egressRate: egress, egressBurst: UNLIMITED_BURST }),
  };
}

function bitsPerSecond(annotations: Readonly<Record<string, string>>, key: string): number | undefined {
  const text = annotations[key];
  if (text === undefined) return undefined;
  const bits = Number(value(parseQuantity(text)));
  if (bits >= 1e3 && bits <= 1e15) return bits;
  throw new Error(`Invalid annotation "${key}": "${text}" is not between 1k and 1P`);
}
