// The shape of a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1). Unknown fields are errors; null means not set.

import { isIP } from 'node:net';
import { z } from 'zod';
import { parseCidr } from '../../host/cidr.ts';

const durationShape = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/;
const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a Go duration: "1m30s", "100ms", "0". */
export function durationMs(text: string): number {
  let sum = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
    sum += Number(digits) * (unitMs[unit ?? 's'] ?? 0);
  return sum;
}

const duration = z.string().refine((text) => text === '0' || durationShape.test(text), 'a duration such as 30s or 1m');
const count = z.number('a number').int('a whole number').min(0, 'a number from 0');
const flag = z.boolean('true or false');
const cidrs = (text: string): boolean => text.split(',').every((one) => parseCidr(one.trim()) !== undefined);
const bind = z.string().refine((text) => text === '' || parseBind(text) !== undefined, 'address:port, or an address');
/** Settings of modes that this proxy does not have. */
const others = z.record(z.string(), z.unknown());

/** "0.0.0.0:10256", "[::]:10256" or "127.0.0.1"; undefined where it is neither. The port is 0 where there is none. */
export function parseBind(text: string): { host: string; port: number } | undefined {
  if (isIP(text)) return { host: text, port: 0 };
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  return match && (host === '' || isIP(host)) && port <= 65_535 ? { host: host || '0.0.0.0', port } : undefined;
}

export const schema = z
  .strictObject({
    apiVersion: z.literal('kubeproxy.config.k8s.io/v1alpha1'),
    kind: z.literal('KubeProxyConfiguration'),
    featureGates: z.record(z.string(), z.boolean()),
    clientConnection: z
      .strictObject({
        kubeconfig: z.string(),
        acceptContentTypes: z.string(),
        contentType: z.string(),
        qps: z.number(),
        burst: z.number(),
      })
      .partial(),
    logging: others,
    hostnameOverride: z.string().regex(/^([a-zA-Z0-9]([-a-zA-Z0-9.]{0,251}[a-zA-Z0-9])?)?$/, 'the name of a node'),
    bindAddress: z.string().refine((text) => text === '' || isIP(text) !== 0, 'an IP address'),
    healthzBindAddress: bind,
    metricsBindAddress: bind,
    bindAddressHardFail: flag,
    enableProfiling: flag,
    showHiddenMetricsForVersion: z.string(),
    mode: z.enum(['', 'iptables'], 'iptables'),
    iptables: z
      .strictObject({
        masqueradeBit: count.max(31, 'a bit from 0 to 31'),
        masqueradeAll: flag,
        localhostNodePorts: flag,
        syncPeriod: duration,
        minSyncPeriod: duration,
      })
      .partial(),
    ipvs: others,
    nftables: others,
    winkernel: others,
    detectLocalMode: z.enum(
      ['', 'ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix'],
      'ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix',
    ),
    detectLocal: z
      .strictObject({
        bridgeInterface: z.string().regex(/^[\w.-]{0,15}$/, 'the name of an interface'),
        interfaceNamePrefix: z.string().regex(/^[\w.-]{0,15}$/, 'the start of an interface name'),
      })
      .partial(),
    clusterCIDR: z
      .string()
      .refine((text) => text === '' || cidrs(text), 'CIDR blocks with commas between, at most one per family'),
    nodePortAddresses: z.array(
      z
        .string()
        .refine((text) => text === 'primary' || parseCidr(text) !== undefined, 'CIDR blocks, or only "primary"'),
    ),
    oomScoreAdj: z.number().int().min(-1000).max(1000),
    conntrack: z
      .strictObject({
        maxPerCore: count,
        min: count,
        tcpEstablishedTimeout: duration,
        tcpCloseWaitTimeout: duration,
        tcpBeLiberal: flag,
        udpTimeout: duration,
        udpStreamTimeout: duration,
      })
      .partial(),
    configSyncPeriod: duration,
    portRange: z.string(),
    windowsRunAsService: flag,
  })
  .partial();

export type Settings = z.infer<typeof schema>;

/** Removes what is null, at any depth: kubeadm writes it for "not set". */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== null)
      .map(([name, one]) => [name, withoutNulls(one)]),
  );
}
