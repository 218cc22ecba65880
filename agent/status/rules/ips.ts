// The addresses in a pod's status: one per family, the node's first family first.
import type { Pod, PodStatus } from '../../../kube/types.ts';
import type { ObservedPod, PodFacts } from '../../model.ts';

const isV6 = (ip: string): boolean => ip.includes(':');

type Addresses = Pick<PodStatus, 'hostIP' | 'hostIPs' | 'podIP' | 'podIPs'>;

function onePerFamily(ips: readonly string[], firstIsV6: boolean): readonly string[] {
  const v4 = ips.find((ip) => !isV6(ip));
  const v6 = ips.find(isV6);
  return (firstIsV6 ? [v6, v4] : [v4, v6]).filter((ip) => ip !== undefined);
}

/** A sandbox that is gone or stopped has no address to show; the pod keeps the one it had. */
export function deriveAddresses(
  pod: Pod,
  observed: ObservedPod | undefined,
  { hostIps }: PodFacts,
  before: PodStatus,
): Addresses {
  const sandboxIps = observed?.sandboxes[0]?.ips ?? [];
  const known = before.podIPs?.map(({ ip }) => ip) ?? [];
  const own = sandboxIps.length > 0 ? onePerFamily(sandboxIps, isV6(hostIps[0] ?? '')) : known;
  const podIps = pod.spec.hostNetwork ? hostIps : own;
  return {
    ...(hostIps[0] === undefined ? {} : { hostIP: hostIps[0], hostIPs: hostIps.map((ip) => ({ ip })) }),
    ...(podIps[0] === undefined ? {} : { podIP: podIps[0], podIPs: podIps.map((ip) => ({ ip })) }),
  };
}
