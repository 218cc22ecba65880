// The fields of KubeletConfiguration v1beta1 that are acted upon; those of upstream's that are not stand in accepted.ts.
import { z } from 'zod';
import { parseQuantity, value } from '../../kube/quantity.ts';

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** "1m30s" in milliseconds; undefined where it is no duration of Go's. */
export function durationMs(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(number) * (unitMs[unit ?? ''] ?? 0);
  }
  return total;
}

/** Upstream's tools write zero, or nothing, for "the default". */
const duration = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .refine((text) => text === '' || durationMs(text) !== undefined, 'want a duration such as "1m30s"')
    .transform((text) => (text === '' || durationMs(text) === 0 ? fallback : text));

const isQuantity = (text: string): boolean => {
  try {
    return value(parseQuantity(text)) >= 0;
  } catch {
    return false;
  }
};
const quantity = z.string().refine(isQuantity, 'want a quantity such as "500m" or "1Gi"');
const port = z.int().min(0).max(65_535);
const amounts = z.record(z.string(), quantity).default({});

/** "10%" of what there is, or an amount. */
const isThreshold = (text: string): boolean =>
  /^(?:100|\d{1,2})(?:\.\d+)?%$/.test(text) || (!text.endsWith('%') && isQuantity(text));
const thresholds = z.record(
  z.string(),
  z.string().refine(isThreshold, 'want a quantity such as "100Mi", or a part such as "10%"'),
);
/** What upstream keeps free where nothing is configured. */
export const defaultEvictionHard: Readonly<Record<string, string>> = {
  'memory.available': '100Mi',
  'nodefs.available': '10%',
  'nodefs.inodesFree': '5%',
  'imagefs.available': '15%',
  'imagefs.inodesFree': '5%',
};

const taint = z.strictObject({
  key: z.string().min(1),
  value: z.string().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
  timeAdded: z.string().optional(),
});

export const schema = z.strictObject({
  apiVersion: z.literal('kubelet.config.k8s.io/v1beta1').default('kubelet.config.k8s.io/v1beta1'),
  kind: z.literal('KubeletConfiguration').default('KubeletConfiguration'),
  podLogsDir: z.string().default('/var/log/pods'),
  syncFrequency: duration('1m'),
  staticPodPath: z.string().default(''),
  fileCheckFrequency: duration('20s'),
  staticPodURL: z.union([z.literal(''), z.url()]).default(''),
  staticPodURLHeader: z.record(z.string(), z.array(z.string())).default({}),
  httpCheckFrequency: duration('20s'),
  rotateCertificates: z.boolean().default(false),
  serverTLSBootstrap: z.boolean().default(false),
  tlsMinVersion: z.enum(['', 'VersionTLS10', 'VersionTLS11', 'VersionTLS12', 'VersionTLS13']).default('VersionTLS12'),
  tlsCipherSuites: z.array(z.string()).default([]),
  logging: z
    .strictObject({
      verbosity: z.int().min(0).default(0),
      // Lines are JSON whatever is asked for; the rest is about buffers that we do not have.
      format: z.string().optional(),
      flushFrequency: z.union([z.string(), z.number()]).optional(),
      options: z.unknown().optional(),
      vmodule: z.unknown().optional(),
    })
    .prefault({}),
  enableServer: z.boolean().default(true),
  address: z.string().default('0.0.0.0'),
  port: port.default(10_250),
  tlsCertFile: z.string().default(''),
  tlsPrivateKeyFile: z.string().default(''),
  authentication: z
    .strictObject({
      x509: z.strictObject({ clientCAFile: z.string().default('') }).prefault({}),
      // What a strict server does anyway; kubeadm writes them.
      webhook: z.strictObject({ enabled: z.literal(true).default(true), cacheTTL: duration('2m') }).prefault({}),
      anonymous: z.strictObject({ enabled: z.literal(false).default(false) }).prefault({}),
    })
    .prefault({}),
  authorization: z
    .strictObject({
      mode: z.enum(['Webhook', 'AlwaysAllow']).default('Webhook'),
      webhook: z
        .strictObject({ cacheAuthorizedTTL: duration('5m'), cacheUnauthorizedTTL: duration('30s') })
        .prefault({}),
    })
    .prefault({}),
  enableDebuggingHandlers: z.boolean().default(true),
  streamingConnectionIdleTimeout: duration('4h'),
  healthzPort: port.default(10_248),
  healthzBindAddress: z.string().default('127.0.0.1'),
  clusterDomain: z.string().default(''),
  clusterDNS: z.array(z.string()).default([]),
  resolvConf: z.string().default('/etc/resolv.conf'),
  // The engine says which driver it uses; a word that disagrees would only break things.
  cgroupDriver: z.enum(['cgroupfs', 'systemd']).default('cgroupfs'),
  cgroupRoot: z.string().default(''),
  failCgroupV1: z.boolean().default(true),
  maxPods: z.int().min(0).default(110),
  podsPerCore: z.int().min(0).default(0),
  podCIDR: z.string().default(''),
  systemReserved: amounts,
  kubeReserved: amounts,
  evictionHard: thresholds.optional(),
  mergeDefaultEvictionSettings: z.boolean().default(false),
  evictionSoft: thresholds.default({}),
  evictionSoftGracePeriod: z.record(z.string(), duration('0s')).default({}),
  evictionMinimumReclaim: thresholds.default({}),
  evictionMaxPodGracePeriod: z.int().min(0).default(0),
  evictionPressureTransitionPeriod: duration('5m'),
  imageGCHighThresholdPercent: z.int().min(0).max(100).default(85),
  imageGCLowThresholdPercent: z.int().min(0).max(100).default(80),
  imageMinimumGCAge: duration('2m'),
  imageMaximumGCAge: duration('0s'),
  volumeStatsAggPeriod: duration('1m'),
  shutdownGracePeriod: duration('0s'),
  shutdownGracePeriodCriticalPods: duration('0s'),
  shutdownGracePeriodByPodPriority: z
    .array(z.strictObject({ priority: z.int(), shutdownGracePeriodSeconds: z.int().min(0) }))
    .default([]),
  serializeImagePulls: z.boolean().default(true),
  maxParallelImagePulls: z.int().min(1).optional(),
  containerLogMaxSize: quantity.default('10Mi'),
  containerLogMaxFiles: z.int().min(2).default(5),
  nodeStatusUpdateFrequency: duration('10s'),
  nodeStatusReportFrequency: duration('5m'),
  nodeLeaseDurationSeconds: z.int().min(1).default(40),
  nodeStatusMaxImages: z.int().min(-1).default(50),
  registerNode: z.boolean().default(true),
  registerWithTaints: z.array(taint).default([]),
  providerID: z.string().default(''),
  allowedUnsafeSysctls: z.array(z.string()).default([]),
  seccompDefault: z.boolean().default(false),
  crashLoopBackOff: z.strictObject({ maxContainerRestartPeriod: duration('300s') }).prefault({}),
  containerRuntimeEndpoint: z.string().default('unix:///var/run/docker.sock'),
});

export type Settings = z.output<typeof schema>;
