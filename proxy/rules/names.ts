// Chain names: the same on every node and after every restart, and never longer than iptables allows (28 characters).
import { createHash } from 'node:crypto';
import type { Protocol } from '../model.ts';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The first 16 characters of the base32 of the sha256 of `text`: 80 bits, so two names never meet by accident. */
export function hash16(text: string): string {
  let bits = BigInt(`0x${createHash('sha256').update(text).digest('hex').slice(0, 20)}`);
  let out = '';
  for (let at = 0; at < 16; at++) {
    out = `${alphabet[Number(bits & 31n)]}${out}`;
    bits >>= 5n;
  }
  return out;
}

export interface PortChains {
  readonly cluster: string;
  readonly local: string;
  readonly external: string;
  readonly firewall: string;
}

/** The chains of a service port; `key` is "namespace/name" or "namespace/name:port". */
export function portChains(key: string, protocol: Protocol): PortChains {
  const hash = hash16(`${key}${protocol}`);
  return {
    cluster: `KUBE-SVC-${hash}`,
    local: `KUBE-SVL-${hash}`,
    external: `KUBE-EXT-${hash}`,
    firewall: `KUBE-FW-${hash}`,
  };
}

/** `destination` is "ip:port", IPv6 in brackets. */
export function endpointChain(key: string, protocol: Protocol, destination: string): string {
  return `KUBE-SEP-${hash16(`${key}${protocol}${destination}`)}`;
}

/** One share of the endpoints of a service chain that has too many for one list. */
export function shareChain(parent: string, index: number): string {
  return `KUBE-SHR-${hash16(`${parent}#${index}`)}`;
}

const ours =
  /^KUBE-(?:(?:SVC|SVL|EXT|FW|SEP|SHR)-[A-Z2-7]{16}|(?:VIP|PORT|PIN|REJ|XREJ|FWL)-[A-Za-z0-9.-]+|SERVICES|DISPATCH|NODEPORTS|HAIRPIN|EXTERNAL-REFUSED|NODEPORTS-REFUSED|MARK-MASQ|POSTROUTING|EXTERNAL-SERVICES|PROXY-FIREWALL|FORWARD|PROXY-CANARY)$/;

/** Whether a chain found on the host is the proxy's, by its name. KUBE-FIREWALL is shared with the kubelet and is not. */
export function isOurChain(chain: string): boolean {
  return ours.test(chain);
}

const entries = new Set(['KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-EXTERNAL-SERVICES', 'KUBE-FORWARD']);

/** Chains of lower rank are jumped to by chains of higher rank, and so must be there first. */
export function rankOf(chain: string): number {
  const depth = /^KUBE-(?:VIP|PORT|PIN|REJ|XREJ|FWL)-.*-(\d+)$/.exec(chain)?.[1];
  if (depth !== undefined) return 300 - Number(depth);
  const kind = /^KUBE-([A-Z]+)-/.exec(chain)?.[1] ?? '';
  const ranks: Readonly<Record<string, number>> = { MARK: 0, SEP: 1, SHR: 2, SVC: 3, SVL: 3, EXT: 4, FW: 5 };
  const rank = ranks[kind];
  if (rank !== undefined) return rank;
  return entries.has(chain) ? 500 : 400;
}
