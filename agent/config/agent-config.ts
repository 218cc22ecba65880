// From checked fields and flags to the configuration that the agent's rooms are given.
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseQuantity, value } from '../../kube/quantity.ts';
import type { Taint } from '../../kube/types.ts';
import { type AgentConfig, ConfigError } from './config.ts';
import { defaultEvictionHard, durationMs, type Settings } from './schema.ts';
import type { CheckedSettings } from './settings.ts';
import { cipherList } from './tls.ts';
import { readValue } from './values.ts';

/** Sockets that speak CRI, not Docker's own API: configurations of others name them. */
const criSocket = /(containerd|cri-dockerd|crio)\.sock$/;
const dockerSocket = '/var/run/docker.sock';

/** `--docker-host` wins; an endpoint that is no Docker at all stands for the one of this host. */
function socketOf(host: string | undefined, endpoint: string): string {
  const [flag, text] = host === undefined ? ['container-runtime-endpoint', endpoint] : ['docker-host', host];
  const path = text.startsWith('unix://') ? text.slice('unix://'.length) : text;
  if (path === '' || (host === undefined && criSocket.test(path))) return dockerSocket;
  if (path.startsWith('/')) return path;
  throw new ConfigError(
    `--${flag}: ${JSON.stringify(text)} is not valid: want the path of Docker's socket, "unix://${dockerSocket}"`,
  );
}

const ms = (text: string): number => durationMs(text) ?? 0;

/** Throws `ConfigError` where a flag cannot be, or one is missing. */
export function toConfig(
  { settings, shown, unheeded }: CheckedSettings,
  flags: ReadonlyMap<string, string>,
  unheededFlags: readonly string[],
): AgentConfig {
  const text = (name: string, fallback = ''): string => flags.get(name) ?? fallback;
  const rootDir = resolve(text('root-dir', '/var/lib/kubelet'));
  const kubeconfig = text('kubeconfig');
  if (kubeconfig === '') throw new ConfigError('--kubeconfig is needed: want the path of a kubeconfig file');
  if ((settings.tlsCertFile === '') !== (settings.tlsPrivateKeyFile === '')) {
    throw new ConfigError('--tls-cert-file and --tls-private-key-file belong together: want both or neither');
  }
  const nodeName = text('hostname-override', hostname()).trim().toLowerCase();
  if (!/^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/.test(nodeName)) {
    throw new ConfigError(`--hostname-override: ${JSON.stringify(nodeName)} is not valid: want a DNS name`);
  }
  return {
    kubeconfig,
    bootstrapKubeconfig: text('bootstrap-kubeconfig'),
    rotateCertificates: settings.rotateCertificates,
    nodeName,
    nodeIps: readValue('node-ip', text('node-ip'), 'list') as string[],
    nodeLabels: readValue('node-labels', text('node-labels'), 'map') as Record<string, string>,
    taints: taintsOf(settings, text('cloud-provider')),
    providerId: settings.providerID,
    registerNode: settings.registerNode,
    rootDir,
    podLogsDir: settings.podLogsDir,
    containerLogsDir: join(dirname(settings.podLogsDir), 'containers'),
    certDir: text('cert-dir', join(rootDir, 'pki')),
    dockerSocket: socketOf(flags.get('docker-host'), settings.containerRuntimeEndpoint),
    cgroupRoot: settings.cgroupRoot,
    failCgroupV1: settings.failCgroupV1,
    cni: { confDir: text('cni-conf-dir', '/etc/cni/net.d'), binDir: text('cni-bin-dir', '/opt/cni/bin') },
    podCidr: settings.podCIDR,
    clusterCidr: text('cluster-cidr'),
    clusterDns: settings.clusterDNS,
    clusterDomain: settings.clusterDomain,
    resolvConf: settings.resolvConf,
    syncMs: ms(settings.syncFrequency),
    staticPods: {
      path: settings.staticPodPath,
      fileCheckMs: ms(settings.fileCheckFrequency),
      url: settings.staticPodURL,
      headers: headersOf(settings, text('manifest-url-header')),
      httpCheckMs: ms(settings.httpCheckFrequency),
    },
    server: {
      isEnabled: settings.enableServer,
      address: settings.address,
      port: settings.port,
      clientCaFile: settings.authentication.x509.clientCAFile,
      tlsCertFile: settings.tlsCertFile,
      tlsPrivateKeyFile: settings.tlsPrivateKeyFile,
      tlsBootstrap: settings.serverTLSBootstrap,
      tlsMinVersion: settings.tlsMinVersion === 'VersionTLS13' ? 'TLSv1.3' : 'TLSv1.2',
      tlsCiphers: cipherList(settings.tlsCipherSuites),
      authorization: settings.authorization.mode,
      debuggingHandlers: settings.enableDebuggingHandlers,
      streamingIdleMs: ms(settings.streamingConnectionIdleTimeout),
    },
    healthz: { address: settings.healthzBindAddress, port: settings.healthzPort },
    maxPods: settings.maxPods,
    podsPerCore: settings.podsPerCore,
    systemReserved: settings.systemReserved,
    kubeReserved: settings.kubeReserved,
    evictionHard: evictionHardOf(settings),
    eviction: {
      hard: evictionHardOf(settings),
      soft: settings.evictionSoft,
      softGraceMs: Object.fromEntries(
        Object.entries(settings.evictionSoftGracePeriod).map(([signal, period]) => [signal, ms(period)]),
      ),
      minimumReclaim: settings.evictionMinimumReclaim,
      maxPodGraceSeconds: settings.evictionMaxPodGracePeriod,
      pressureTransitionMs: ms(settings.evictionPressureTransitionPeriod),
    },
    imageCollection: imageCollectionOf(settings),
    deadContainers: {
      perContainer: readValue(
        'maximum-dead-containers-per-container',
        text('maximum-dead-containers-per-container', '1'),
        'number',
      ) as number,
      total: readValue('maximum-dead-containers', text('maximum-dead-containers', '-1'), 'number') as number,
      minAgeMs: ms(text('minimum-container-ttl-duration', '0s')),
    },
    volumeStatsMs: ms(settings.volumeStatsAggPeriod),
    shutdown: shutdownOf(settings),
    maxImages: settings.nodeStatusMaxImages,
    leaseSeconds: settings.nodeLeaseDurationSeconds,
    statusUpdateMs: ms(settings.nodeStatusUpdateFrequency),
    statusReportMs: ms(settings.nodeStatusReportFrequency),
    parallelPulls: settings.serializeImagePulls ? 1 : (settings.maxParallelImagePulls ?? Number.MAX_SAFE_INTEGER),
    log: { maxSizeBytes: value(parseQuantity(settings.containerLogMaxSize)), maxFiles: settings.containerLogMaxFiles },
    maxBackOffSeconds: Math.min(300, Math.max(1, ms(settings.crashLoopBackOff.maxContainerRestartPeriod) / 1000)),
    allowedUnsafeSysctls: settings.allowedUnsafeSysctls,
    seccompDefault: settings.seccompDefault,
    verbosity: settings.logging.verbosity,
    kubelet: shown,
    unheeded: [...unheeded, ...unheededFlags],
  };
}

function evictionHardOf({ evictionHard, mergeDefaultEvictionSettings }: Settings): Readonly<Record<string, string>> {
  return mergeDefaultEvictionSettings
    ? { ...defaultEvictionHard, ...evictionHard }
    : (evictionHard ?? defaultEvictionHard);
}

function imageCollectionOf(settings: Settings): AgentConfig['imageCollection'] {
  const { imageGCHighThresholdPercent: highPercent, imageGCLowThresholdPercent: lowPercent } = settings;
  if (lowPercent >= highPercent) {
    throw new ConfigError(
      `imageGCLowThresholdPercent: ${lowPercent} is not valid: want less than imageGCHighThresholdPercent, ${highPercent}`,
    );
  }
  return {
    highPercent,
    lowPercent,
    minAgeMs: ms(settings.imageMinimumGCAge),
    maxAgeMs: ms(settings.imageMaximumGCAge),
  };
}

const systemCritical = 2_000_000_000;

/** The two periods of old are two priorities: the critical pods' is the end of the whole. */
function shutdownOf(settings: Settings): AgentConfig['shutdown'] {
  const [wholeMs, criticalMs] = [ms(settings.shutdownGracePeriod), ms(settings.shutdownGracePeriodCriticalPods)];
  const byPriority = settings.shutdownGracePeriodByPodPriority;
  if (byPriority.length > 0) {
    if (wholeMs > 0 || criticalMs > 0) {
      throw new ConfigError(
        'shutdownGracePeriodByPodPriority and shutdownGracePeriod exclude each other: want one of them',
      );
    }
    return byPriority.map((one) => ({ priority: one.priority, graceSeconds: one.shutdownGracePeriodSeconds }));
  }
  if (wholeMs === 0) return [];
  if (criticalMs > wholeMs) {
    throw new ConfigError(
      `shutdownGracePeriodCriticalPods: "${settings.shutdownGracePeriodCriticalPods}" is not valid: want no more than shutdownGracePeriod, "${settings.shutdownGracePeriod}"`,
    );
  }
  return [
    { priority: 0, graceSeconds: (wholeMs - criticalMs) / 1000 },
    { priority: systemCritical, graceSeconds: criticalMs / 1000 },
  ];
}

/** A cloud's controller takes its taint away once it has looked at the node. */
function taintsOf({ registerWithTaints }: Settings, cloudProvider: string): readonly Taint[] {
  const uninitialized = { key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true', effect: 'NoSchedule' };
  return [...registerWithTaints, ...(cloudProvider === 'external' ? [uninitialized] : [])] as Taint[];
}

/** "name:value" pairs, separated by commas. */
function headersOf({ staticPodURLHeader }: Settings, text: string): Readonly<Record<string, readonly string[]>> {
  if (text === '') return staticPodURLHeader;
  const headers: Record<string, string[]> = {};
  for (const pair of text.split(',')) {
    const at = pair.indexOf(':');
    if (at < 1) throw new ConfigError(`--manifest-url-header: ${JSON.stringify(pair)} is not valid: want name:value`);
    const name = pair.slice(0, at).trim();
    headers[name] = [...(headers[name] ?? []), pair.slice(at + 1).trim()];
  }
  return headers;
}
