// What the proxy was told: KubeProxyConfiguration and flags, checked and frozen. After this nobody asks whether a value is there.

/** A flag or field that cannot be used; the message names it, its value and what would be accepted. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export type DetectLocal =
  | { readonly mode: 'ClusterCIDR'; readonly cidrs: readonly string[] }
  | { readonly mode: 'NodeCIDR' }
  | { readonly mode: 'BridgeInterface'; readonly name: string }
  | { readonly mode: 'InterfaceNamePrefix'; readonly prefix: string };

export interface ConntrackConfig {
  /** 0: leave the kernel's limit alone. */
  readonly maxPerCore: number;
  readonly min: number;
  /** Seconds; undefined: leave the kernel's value alone. */
  readonly tcpEstablishedSeconds: number | undefined;
  readonly tcpCloseWaitSeconds: number | undefined;
  readonly udpSeconds: number | undefined;
  readonly udpStreamSeconds: number | undefined;
  readonly tcpBeLiberal: boolean;
}

/** An address to listen on. */
export interface Bind {
  readonly host: string;
  readonly port: number;
}

export interface ProxyConfig {
  /** Undefined: the account of the pod that we run in. */
  readonly kubeconfig: string | undefined;
  readonly nodeName: string;
  readonly backend: 'auto' | 'nft' | 'legacy';
  readonly detectLocal: DetectLocal;
  readonly masqueradeAll: boolean;
  readonly masqueradeBit: number;
  readonly localhostNodePorts: boolean;
  /** Blocks whose addresses serve nodePorts; 'primary': the Node's own address. */
  readonly nodePortAddresses: 'all' | 'primary' | readonly string[];
  readonly syncPeriodMs: number;
  /** 0: as the last sync took. */
  readonly minSyncPeriodMs: number;
  /** Undefined: not served. */
  readonly healthz: Bind | undefined;
  readonly metrics: Bind | undefined;
  readonly bindAddressHardFail: boolean;
  readonly conntrack: ConntrackConfig;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Remove our rules instead of serving. */
  readonly cleanup: boolean;
  /** The configuration as an object of the API, for /configz. */
  readonly source: Readonly<Record<string, unknown>>;
}
