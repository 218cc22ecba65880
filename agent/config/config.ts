// The agent's configuration as the rest of the agent sees it: whole, checked, frozen.
import type { Taint } from '../../kube/types.ts';

/** A flag or a field that cannot be: the message names it, its value, and what would be accepted. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export interface AgentConfig {
  readonly kubeconfig: string;
  /** Credentials to ask for a certificate with, when the kubeconfig is not there or has none that is good; empty: none. */
  readonly bootstrapKubeconfig: string;
  /** The client certificate is renewed before it ends. */
  readonly rotateCertificates: boolean;
  readonly nodeName: string;
  readonly nodeIps: readonly string[];
  readonly nodeLabels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly providerId: string;
  readonly registerNode: boolean;
  readonly rootDir: string;
  readonly podLogsDir: string;
  readonly containerLogsDir: string;
  readonly certDir: string;
  /** The path of Docker's socket. */
  readonly dockerSocket: string;
  readonly cgroupRoot: string;
  readonly failCgroupV1: boolean;
  readonly cni: { readonly confDir: string; readonly binDir: string };
  /** Used until, and unless, the API gives the node one of its own. */
  readonly podCidr: string;
  /** All pods of the cluster, for the rules that let them talk; empty: the node's own only. */
  readonly clusterCidr: string;
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  readonly resolvConf: string;
  readonly syncMs: number;
  readonly staticPods: {
    readonly path: string;
    readonly fileCheckMs: number;
    readonly url: string;
    readonly headers: Readonly<Record<string, readonly string[]>>;
    readonly httpCheckMs: number;
  };
  readonly server: {
    readonly isEnabled: boolean;
    readonly address: string;
    readonly port: number;
    readonly clientCaFile: string;
    readonly tlsCertFile: string;
    readonly tlsPrivateKeyFile: string;
    /** Without files: the cluster is asked to sign one. Else it is self-signed. */
    readonly tlsBootstrap: boolean;
    readonly tlsMinVersion: 'TLSv1.2' | 'TLSv1.3';
    /** In OpenSSL's words. */
    readonly tlsCiphers: string;
    readonly authorization: 'Webhook' | 'AlwaysAllow';
    readonly debuggingHandlers: boolean;
    readonly streamingIdleMs: number;
  };
  readonly healthz: { readonly address: string; readonly port: number };
  readonly maxPods: number;
  readonly podsPerCore: number;
  readonly systemReserved: Readonly<Record<string, string>>;
  readonly kubeReserved: Readonly<Record<string, string>>;
  readonly evictionHard: Readonly<Record<string, string>>;
  readonly eviction: {
    readonly hard: Readonly<Record<string, string>>;
    readonly soft: Readonly<Record<string, string>>;
    readonly softGraceMs: Readonly<Record<string, number>>;
    readonly minimumReclaim: Readonly<Record<string, string>>;
    readonly maxPodGraceSeconds: number;
    readonly pressureTransitionMs: number;
  };
  readonly imageCollection: {
    readonly highPercent: number;
    readonly lowPercent: number;
    readonly minAgeMs: number;
    readonly maxAgeMs: number;
  };
  readonly deadContainers: { readonly perContainer: number; readonly total: number; readonly minAgeMs: number };
  /** How old measurements of disks may be. */
  readonly volumeStatsMs: number;
  /** How long pods of a priority, and of those above it, have when the machine goes down; empty: none. */
  readonly shutdown: readonly { readonly priority: number; readonly graceSeconds: number }[];
  readonly maxImages: number;
  readonly leaseSeconds: number;
  readonly statusUpdateMs: number;
  readonly statusReportMs: number;
  readonly parallelPulls: number;
  readonly log: { readonly maxSizeBytes: number; readonly maxFiles: number };
  readonly maxBackOffSeconds: number;
  readonly allowedUnsafeSysctls: readonly string[];
  readonly seccompDefault: boolean;
  readonly verbosity: number;
  /** The effective KubeletConfiguration, as /configz shows it. */
  readonly kubelet: Readonly<Record<string, unknown>>;
  /** Fields and flags of upstream that ask for something which will not happen. */
  readonly unheeded: readonly string[];
}
