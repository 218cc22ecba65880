// The kubelet's command line: most flags are names for fields of KubeletConfiguration, and win over the file.
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { parseQuantity, value } from '../../kube/quantity.ts';
import type { Taint } from '../../kube/types.ts';
import { type AgentConfig, ConfigError } from './config.ts';
import { durationMs, type Settings, schema } from './schema.ts';

type Kind = 'text' | 'flag' | 'number' | 'list' | 'map' | 'taints';

/** Flag → the field that it sets. */
const fields: Readonly<Record<string, readonly [path: string, kind: Kind]>> = {
  address: ['address', 'text'],
  'allowed-unsafe-sysctls': ['allowedUnsafeSysctls', 'list'],
  'authorization-mode': ['authorization.mode', 'text'],
  'cgroup-driver': ['cgroupDriver', 'text'],
  'cgroup-root': ['cgroupRoot', 'text'],
  'client-ca-file': ['authentication.x509.clientCAFile', 'text'],
  'cluster-dns': ['clusterDNS', 'list'],
  'cluster-domain': ['clusterDomain', 'text'],
  'container-log-max-files': ['containerLogMaxFiles', 'number'],
  'container-log-max-size': ['containerLogMaxSize', 'text'],
  'container-runtime-endpoint': ['containerRuntimeEndpoint', 'text'],
  'docker-host': ['containerRuntimeEndpoint', 'text'],
  'enable-server': ['enableServer', 'flag'],
  'eviction-hard': ['evictionHard', 'map'],
  'fail-cgroupv1': ['failCgroupV1', 'flag'],
  'healthz-bind-address': ['healthzBindAddress', 'text'],
  'healthz-port': ['healthzPort', 'number'],
  'kube-reserved': ['kubeReserved', 'map'],
  'max-pods': ['maxPods', 'number'],
  'node-status-update-frequency': ['nodeStatusUpdateFrequency', 'text'],
  'pod-cidr': ['podCIDR', 'text'],
  'pod-logs-dir': ['podLogsDir', 'text'],
  'pods-per-core': ['podsPerCore', 'number'],
  port: ['port', 'number'],
  'provider-id': ['providerID', 'text'],
  'register-node': ['registerNode', 'flag'],
  'register-with-taints': ['registerWithTaints', 'taints'],
  'resolv-conf': ['resolvConf', 'text'],
  'seccomp-default': ['seccompDefault', 'flag'],
  'serialize-image-pulls': ['serializeImagePulls', 'flag'],
  'sync-frequency': ['syncFrequency', 'text'],
  'system-reserved': ['systemReserved', 'map'],
  'tls-cert-file': ['tlsCertFile', 'text'],
  'tls-private-key-file': ['tlsPrivateKeyFile', 'text'],
};

/** Flags that are no fields. */
const others: Readonly<Record<string, Kind>> = {
  'cert-dir': 'text',
  'cluster-cidr': 'text',
  'cni-bin-dir': 'text',
  'cni-conf-dir': 'text',
  config: 'text',
  'hostname-override': 'text',
  kubeconfig: 'text',
  'node-ip': 'list',
  'node-labels': 'map',
  'root-dir': 'text',
  v: 'number',
};

export const acceptedFlags: readonly string[] = [...Object.keys(fields), ...Object.keys(others)].sort();

/** Reads flags and the file that --config names. Throws `ConfigError`. */
export async function parseAgentConfig(args: readonly string[]): Promise<AgentConfig> {
  const flags = parseFlags(args);
  const file = flags.get('config');
  const settings = file ? await readSettings(file) : {};
  for (const [name, text] of flags) {
    const field = fields[name];
    if (field) setField(settings, field[0], readValue(name, text, field[1]));
  }
  return freeze(toConfig(check(settings, file), flags));
}

function parseFlags(args: readonly string[]): Map<string, string> {
  const flags = new Map<string, string>();
  for (let at = 0; at < args.length; at += 1) {
    const [, name = '', inline] = /^--?([A-Za-z][-A-Za-z0-9]*)(?:=(.*))?$/s.exec(args[at] ?? '') ?? [];
    const kind = Object.hasOwn(fields, name)
      ? fields[name]?.[1]
      : Object.hasOwn(others, name)
        ? others[name]
        : undefined;
    if (kind === undefined) {
      throw new ConfigError(`Unknown flag ${JSON.stringify(args[at])}: want one of --${acceptedFlags.join(', --')}`);
    }
    let text = inline;
    if (text === undefined && kind === 'flag') text = 'true';
    if (text === undefined) {
      at += 1;
      text = args[at];
    }
    if (text === undefined) throw new ConfigError(`--${name} needs a value`);
    flags.set(name, text);
  }
  return flags;
}

function readValue(name: string, text: string, kind: Kind): unknown {
  const wrong = (want: string): ConfigError =>
    new ConfigError(`--${name}: ${JSON.stringify(text)} is not valid: want ${want}`);
  const items = text === '' ? [] : text.split(',');
  switch (kind) {
    case 'text':
      return text;
    case 'flag':
      if (text !== 'true' && text !== 'false') throw wrong('true or false');
      return text === 'true';
    case 'number':
      if (!/^-?\d{1,12}$/.test(text)) throw wrong('a whole number');
      return Number(text);
    case 'list':
      return items;
    case 'map': {
      const pairs = items.map((item) => /^([^=<]+)[=<](.*)$/s.exec(item));
      if (pairs.some((pair) => !pair)) throw wrong('name=value pairs, separated by commas');
      return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']));
    }
    case 'taints': {
      const taints = items.map((item) => /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(item));
      if (taints.some((taint) => !taint))
        throw wrong('key=value:effect, the effect NoSchedule, PreferNoSchedule or NoExecute');
      return taints.map((taint) => ({
        key: taint?.[1],
        ...(taint?.[2] ? { value: taint[2] } : {}),
        effect: taint?.[3],
      }));
    }
  }
}

function setField(settings: Record<string, unknown>, path: string, to: unknown): void {
  const names = path.split('.');
  const last = names.pop() ?? '';
  let at = settings;
  for (const name of names) {
    const next = at[name];
    const child: Record<string, unknown> = typeof next === 'object' && next !== null ? { ...next } : {};
    at[name] = child;
    at = child;
  }
  at[last] = to;
}

async function readSettings(file: string): Promise<Record<string, unknown>> {
  try {
    const read: unknown = parse(await readFile(file, 'utf8'), { maxAliasCount: 0 });
    if (typeof read === 'object' && read !== null && !Array.isArray(read)) return read as Record<string, unknown>;
  } catch (cause) {
    throw new ConfigError(`Cannot read --config "${file}": ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
  throw new ConfigError(`--config "${file}" is not valid: want a KubeletConfiguration`);
}

function check(settings: Record<string, unknown>, file: string | undefined): Settings {
  const result = schema.safeParse(settings);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.join('.') ?? '';
  const where = file ? `"${file}": ` : '';
  if (issue?.code === 'unrecognized_keys') {
    const known = path === '' ? Object.keys(schema.shape).join(', ') : 'the fields of KubeletConfiguration';
    const names = issue.keys.map((key) => JSON.stringify(path === '' ? key : `${path}.${key}`)).join(', ');
    throw new ConfigError(`${where}unknown field ${names}: want one of ${known}`);
  }
  const found = issue?.path.reduce<unknown>(
    (at, name) => (at as Record<PropertyKey, unknown> | undefined)?.[name],
    settings,
  );
  throw new ConfigError(`${where}field ${path}: ${JSON.stringify(found)} is not valid: ${issue?.message}`);
}

function socketOf(endpoint: string): string {
  if (endpoint.startsWith('unix://')) return endpoint.slice('unix://'.length);
  if (endpoint.startsWith('/')) return endpoint;
  throw new ConfigError(
    `--container-runtime-endpoint: ${JSON.stringify(endpoint)} is not valid: want the path of Docker's socket, "unix:///var/run/docker.sock"`,
  );
}

const ms = (text: string): number => durationMs(text) ?? 0;

function toConfig(settings: Settings, flags: ReadonlyMap<string, string>): AgentConfig {
  const text = (name: string, fallback = ''): string => flags.get(name) ?? fallback;
  const rootDir = resolve(text('root-dir', '/var/lib/kubelet'));
  const kubeconfig = text('kubeconfig');
  if (kubeconfig === '') throw new ConfigError('--kubeconfig is needed: want the path of a kubeconfig file');
  if (settings.enableServer && (settings.tlsCertFile === '' || settings.tlsPrivateKeyFile === '')) {
    throw new ConfigError(
      '--tls-cert-file and --tls-private-key-file are needed: want PEM files, or --enable-server=false',
    );
  }
  const nodeName = text('hostname-override', hostname()).trim().toLowerCase();
  if (!/^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/.test(nodeName)) {
    throw new ConfigError(`--hostname-override: ${JSON.stringify(nodeName)} is not valid: want a DNS name`);
  }
  return {
    kubeconfig,
    nodeName,
    nodeIps: readValue('node-ip', text('node-ip'), 'list') as string[],
    nodeLabels: readValue('node-labels', text('node-labels'), 'map') as Record<string, string>,
    taints: settings.registerWithTaints as Taint[],
    providerId: settings.providerID,
    registerNode: settings.registerNode,
    rootDir,
    podLogsDir: settings.podLogsDir,
    containerLogsDir: join(dirname(settings.podLogsDir), 'containers'),
    certDir: text('cert-dir', join(rootDir, 'pki')),
    dockerSocket: socketOf(settings.containerRuntimeEndpoint),
    cgroupRoot: settings.cgroupRoot,
    failCgroupV1: settings.failCgroupV1,
    cni: { confDir: text('cni-conf-dir', '/etc/cni/net.d'), binDir: text('cni-bin-dir', '/opt/cni/bin') },
    podCidr: settings.podCIDR,
    clusterCidr: text('cluster-cidr'),
    clusterDns: settings.clusterDNS,
    clusterDomain: settings.clusterDomain,
    resolvConf: settings.resolvConf,
    syncMs: ms(settings.syncFrequency),
    server: {
      isEnabled: settings.enableServer,
      address: settings.address,
      port: settings.port,
      clientCaFile: settings.authentication.x509.clientCAFile,
      tlsCertFile: settings.tlsCertFile,
      tlsPrivateKeyFile: settings.tlsPrivateKeyFile,
      authorization: settings.authorization.mode,
      debuggingHandlers: settings.enableDebuggingHandlers,
      streamingIdleMs: ms(settings.streamingConnectionIdleTimeout),
    },
    healthz: { address: settings.healthzBindAddress, port: settings.healthzPort },
    maxPods: settings.maxPods,
    podsPerCore: settings.podsPerCore,
    systemReserved: settings.systemReserved,
    kubeReserved: settings.kubeReserved,
    evictionHard: settings.evictionHard,
    pressureTransitionMs: ms(settings.evictionPressureTransitionPeriod),
    maxImages: settings.nodeStatusMaxImages,
    leaseSeconds: settings.nodeLeaseDurationSeconds,
    statusUpdateMs: ms(settings.nodeStatusUpdateFrequency),
    statusReportMs: ms(settings.nodeStatusReportFrequency),
    parallelPulls: settings.serializeImagePulls ? 1 : (settings.maxParallelImagePulls ?? Number.MAX_SAFE_INTEGER),
    log: { maxSizeBytes: value(parseQuantity(settings.containerLogMaxSize)), maxFiles: settings.containerLogMaxFiles },
    maxBackOffSeconds: Math.min(300, Math.max(1, ms(settings.crashLoopBackOff.maxContainerRestartPeriod) / 1000)),
    allowedUnsafeSysctls: settings.allowedUnsafeSysctls,
    seccompDefault: settings.seccompDefault,
    verbosity: readValue('v', text('v', '0'), 'number') as number,
    kubelet: settings,
  };
}

function freeze<T>(whole: T): T {
  if (typeof whole === 'object' && whole !== null) for (const part of Object.values(whole)) freeze(part);
  return Object.freeze(whole);
}
