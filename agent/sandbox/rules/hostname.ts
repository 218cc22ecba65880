// What a pod is called inside: hostname and domain.
import type { Pod } from '../../../kube/types.ts';

export interface Hostname {
  /** At most 63 characters; empty for the node's own. */
  readonly hostname: string;
  /** "<hostname>.<subdomain>.<namespace>.svc.<cluster domain>", where the pod has a subdomain. */
  readonly fqdn: string | undefined;
  /** What the kernel is told. */
  readonly kernelName: string;
}

const longestLabel = 63;
const longestKernelName = 64;

const truncated = (name: string): string => name.slice(0, longestLabel).replace(/[-.]+$/, '');

/** Throws with upstream's words when setHostnameAsFQDN asks for more than the kernel takes. */
export function hostnameOf(pod: Pod, clusterDomain: string): Hostname {
  const { spec, metadata } = pod;
  if (spec.hostNetwork && !spec.hostnameOverride) return { hostname: '', fqdn: undefined, kernelName: '' };
  if (spec.hostnameOverride) {
    const hostname = truncated(spec.hostnameOverride);
    return { hostname, fqdn: undefined, kernelName: hostname };
  }
  const hostname = truncated(spec.hostname || metadata.name);
  const suffix = clusterDomain ? `.${clusterDomain}` : '';
  const fqdn = spec.subdomain ? `${hostname}.${spec.subdomain}.${metadata.namespace}.svc${suffix}` : undefined;
  if (!spec.setHostnameAsFQDN || !fqdn) return { hostname, fqdn, kernelName: hostname };
  if (fqdn.length > longestKernelName) {
    throw new Error(
      `failed to construct FQDN from pod hostname and cluster domain, FQDN ${fqdn} is too long ` +
        `(${longestKernelName} characters is the max, ${fqdn.length} characters requested)`,
    );
  }
  return { hostname, fqdn, kernelName: fqdn };
}
