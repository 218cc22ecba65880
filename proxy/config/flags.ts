// The proxy's command line: kube-proxy's flags, each a name for a field of KubeProxyConfiguration.
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { parse } from 'yaml';
import { type Bind, ConfigError, type DetectLocal, type ProxyConfig } from './config.ts';
import { durationMs, parseBind, type Settings, schema, withoutNulls } from './schema.ts';

type Kind = 'text' | 'flag' | 'number' | 'list';

/** Flag → the field that it sets. */
const fields: Readonly<Record<string, readonly [path: string, kind: Kind]>> = {
  'bind-address': ['bindAddress', 'text'],
  'bind-address-hard-fail': ['bindAddressHardFail', 'flag'],
  'cluster-cidr': ['clusterCIDR', 'text'],
  'config-sync-period': ['configSyncPeriod', 'text'],
  'conntrack-max-per-core': ['conntrack.maxPerCore', 'number'],
  'conntrack-min': ['conntrack.min', 'number'],
  'conntrack-tcp-be-liberal': ['conntrack.tcpBeLiberal', 'flag'],
  'conntrack-tcp-timeout-close-wait': ['conntrack.tcpCloseWaitTimeout', 'text'],
  'conntrack-tcp-timeout-established': ['conntrack.tcpEstablishedTimeout', 'text'],
  'conntrack-udp-timeout': ['conntrack.udpTimeout', 'text'],
  'conntrack-udp-timeout-stream': ['conntrack.udpStreamTimeout', 'text'],
  'detect-local-mode': ['detectLocalMode', 'text'],
  'healthz-bind-address': ['healthzBindAddress', 'text'],
  'hostname-override': ['hostnameOverride', 'text'],
  'iptables-localhost-nodeports': ['iptables.localhostNodePorts', 'flag'],
  'iptables-masquerade-bit': ['iptables.masqueradeBit', 'number'],
  'iptables-min-sync-period': ['iptables.minSyncPeriod', 'text'],
  'iptables-sync-period': ['iptables.syncPeriod', 'text'],
  'kube-api-burst': ['clientConnection.burst', 'number'],
  'kube-api-qps': ['clientConnection.qps', 'number'],
  kubeconfig: ['clientConnection.kubeconfig', 'text'],
  'masquerade-all': ['iptables.masqueradeAll', 'flag'],
  'metrics-bind-address': ['metricsBindAddress', 'text'],
  'nodeport-addresses': ['nodePortAddresses', 'list'],
  'oom-score-adj': ['oomScoreAdj', 'number'],
  'pod-bridge-interface': ['detectLocal.bridgeInterface', 'text'],
  'pod-interface-name-prefix': ['detectLocal.interfaceNamePrefix', 'text'],
  profiling: ['enableProfiling', 'flag'],
  'proxy-mode': ['mode', 'text'],
};

/** Flags that are no fields. */
const others: Readonly<Record<string, Kind>> = {
  cleanup: 'flag',
  config: 'text',
  'iptables-backend': 'text',
  v: 'number',
};
const besideConfig = new Set(['hostname-override', 'kubeconfig']);

/** Reads flags and the file that --config names. Throws `ConfigError`. */
export async function parseProxyConfig(args: readonly string[]): Promise<ProxyConfig> {
  const flags = parseFlags(args);
  const file = flags.get('config');
  const settings: Record<string, unknown> = file ? await readSettings(file) : {};
  for (const [name, text] of flags) {
    const field = fields[name];
    if (!field) continue;
    if (file && !besideConfig.has(name))
      throw new ConfigError(`--${name} cannot stand beside --config: set ${field[0]} in "${file}"`);
    setField(settings, field[0], readValue(name, text, field[1]));
  }
  const config = toConfig(check(settings, file), flags);
  if (!config.kubeconfig && !config.cleanup)
    throw new ConfigError(
      '--kubeconfig is needed: want the path of a kubeconfig file, here or as clientConnection.kubeconfig',
    );
  return config;
}

function parseFlags(args: readonly string[]): Map<string, string> {
  const flags = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const [, name = '', inline] = /^--?([a-z][a-z-]*)(?:=(.*))?$/s.exec(args[at] ?? '') ?? [];
    const kind = fields[name]?.[1] ?? others[name];
    if (!kind)
      throw new ConfigError(
        `Unknown flag "${args[at]}": want kube-proxy's flags, such as --kubeconfig, --config, --cluster-cidr`,
      );
    if (inline === undefined && kind !== 'flag' && at + 1 >= args.length)
      throw new ConfigError(`--${name} needs a value`);
    flags.set(name, inline ?? (kind === 'flag' ? 'true' : (args[++at] ?? '')));
  }
  return flags;
}

function readValue(name: string, text: string, kind: Kind): unknown {
  if (kind === 'text') return text;
  if (kind === 'list') return text === '' ? [] : text.split(',').map((one) => one.trim());
  if (kind === 'number') {
    if (!/^-?\d+(\.\d+)?$/.test(text)) throw new ConfigError(`--${name} "${text}" cannot be used: want a number`);
    return Number(text);
  }
  if (text !== 'true' && text !== 'false')
    throw new ConfigError(`--${name} "${text}" cannot be used: want true or false`);
  return text === 'true';
}

function setField(settings: Record<string, unknown>, path: string, value: unknown): void {
  const [first = '', second] = path.split('.');
  if (second === undefined) settings[first] = value;
  else settings[first] = { ...(settings[first] as object | undefined), [second]: value };
}

async function readSettings(file: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(`Cannot read --config "${file}": ${(cause as Error).message}`, { cause });
  }
  let settings: unknown;
  try {
    settings = withoutNulls(parse(text, { maxAliasCount: 0 }));
  } catch (cause) {
    throw new ConfigError(`Cannot read --config "${file}": ${(cause as Error).message.split('\n')[0]}`, { cause });
  }
  const header = settings as { apiVersion?: unknown; kind?: unknown } | undefined;
  if (header?.apiVersion === undefined || header.kind === undefined)
    throw new ConfigError(`Cannot use --config "${file}": want apiVersion and kind of a KubeProxyConfiguration`);
  return settings as Record<string, unknown>;
}

function check(settings: unknown, file: string | undefined): Settings {
  const result = schema.safeParse(settings);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path = [...(issue?.path ?? []), ...(unknown ? [unknown] : [])].map(String);
  const value = path.reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], settings);
  const flag = Object.entries(fields).find(
    ([, [field]]) => field === path.slice(0, 2).join('.') || field === path[0],
  )?.[0];
  const where = file ? `${path.join('.')} in "${file}"` : `--${flag ?? path.join('.')}`;
  const want = unknown ? 'no such field' : issue?.message;
  throw new ConfigError(`${where}: ${JSON.stringify(value)} cannot be used: ${unknown ? want : `want ${want}`}`);
}

function toConfig(settings: Settings, flags: ReadonlyMap<string, string>): ProxyConfig {
  const { iptables = {}, conntrack = {}, bindAddress = '' } = settings;
  const v6 = bindAddress.includes(':');
  const verbosity = Number(flags.get('v') ?? 0);
  return Object.freeze<ProxyConfig>({
    kubeconfig: settings.clientConnection?.kubeconfig || undefined,
    nodeName: (settings.hostnameOverride || hostname()).trim().toLowerCase(),
    backend: backendOf(flags.get('iptables-backend') ?? 'auto'),
    detectLocal: detectLocalOf(settings),
    masqueradeAll: iptables.masqueradeAll ?? false,
    masqueradeBit: iptables.masqueradeBit ?? 14,
    localhostNodePorts: iptables.localhostNodePorts ?? true,
    nodePortAddresses: nodePortAddressesOf(settings.nodePortAddresses ?? []),
    syncPeriodMs: durationMs(iptables.syncPeriod ?? '30s') || 30_000,
    minSyncPeriodMs: durationMs(iptables.minSyncPeriod ?? '0s'),
    healthz: bindOf(settings.healthzBindAddress, { host: v6 ? '::' : '0.0.0.0', port: 10_256 }),
    metrics: bindOf(settings.metricsBindAddress, { host: v6 ? '::1' : '127.0.0.1', port: 10_249 }),
    bindAddressHardFail: settings.bindAddressHardFail ?? false,
    conntrack: {
      maxPerCore: conntrack.maxPerCore ?? 32_768,
      min: conntrack.min ?? 131_072,
      tcpEstablishedSeconds: secondsOf(conntrack.tcpEstablishedTimeout ?? '24h'),
      tcpCloseWaitSeconds: secondsOf(conntrack.tcpCloseWaitTimeout ?? '1h'),
      udpSeconds: secondsOf(conntrack.udpTimeout ?? '0s'),
      udpStreamSeconds: secondsOf(conntrack.udpStreamTimeout ?? '0s'),
      tcpBeLiberal: conntrack.tcpBeLiberal ?? false,
    },
    logLevel: verbosity >= 4 ? 'debug' : 'info',
    cleanup: flags.get('cleanup') === 'true',
    source: { apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration', ...settings },
  });
}

function secondsOf(text: string): number | undefined {
  return Math.round(durationMs(text) / 1000) || undefined;
}

function bindOf(text: string | undefined, fallback: Bind): Bind | undefined {
  if (text === undefined) return fallback;
  if (text === '') return undefined;
  const given = parseBind(text);
  return given && { host: given.host, port: given.port || fallback.port };
}

function backendOf(text: string): ProxyConfig['backend'] {
  if (text === 'auto' || text === 'nft' || text === 'legacy') return text;
  throw new ConfigError(`--iptables-backend "${text}" cannot be used: want auto, nft or legacy`);
}

function detectLocalOf({ detectLocalMode, detectLocal = {}, clusterCIDR = '' }: Settings): DetectLocal {
  switch (detectLocalMode || 'ClusterCIDR') {
    case 'NodeCIDR':
      return { mode: 'NodeCIDR' };
    case 'BridgeInterface':
      if (!detectLocal.bridgeInterface)
        throw new ConfigError('--pod-bridge-interface is needed for --detect-local-mode BridgeInterface');
      return { mode: 'BridgeInterface', name: detectLocal.bridgeInterface };
    case 'InterfaceNamePrefix':
      if (!detectLocal.interfaceNamePrefix)
        throw new ConfigError('--pod-interface-name-prefix is needed for --detect-local-mode InterfaceNamePrefix');
      return { mode: 'InterfaceNamePrefix', prefix: detectLocal.interfaceNamePrefix };
    default:
      return { mode: 'ClusterCIDR', cidrs: clusterCIDR === '' ? [] : clusterCIDR.split(',').map((one) => one.trim()) };
  }
}

function nodePortAddressesOf(list: readonly string[]): ProxyConfig['nodePortAddresses'] {
  if (list.length === 0) return 'all';
  if (!list.includes('primary')) return list;
  if (list.length > 1) throw new ConfigError('--nodeport-addresses "primary" cannot stand beside CIDR blocks');
  return 'primary';
}
