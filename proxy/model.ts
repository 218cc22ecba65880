// The nouns of the service proxy: what a Service asks for in one address family, and the rules that answer it.
import type { Family } from '../host/cidr.ts';
import type { EndpointSlice, Node, Service } from '../kube/types.ts';

export type { Family } from '../host/cidr.ts';
export type Protocol = 'tcp' | 'udp' | 'sctp';
export type TableName = 'nat' | 'filter';

/** One port of one Service in one family. Every address is canonical, every number was checked. */
export interface ServicePort {
  /** "namespace/name" or "namespace/name:port": what chain names are made of. */
  readonly key: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly clusterIp: string;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
  readonly externalIps: readonly string[];
  readonly loadBalancerIps: readonly string[];
  /** undefined: everybody may reach the load balancer addresses. */
  readonly sourceRanges: readonly string[] | undefined;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  /** 0: no session affinity. */
  readonly affinitySeconds: number;
  /** 0: none. */
  readonly healthCheckNodePort: number;
}

export interface Endpoint {
  readonly ip: string;
  readonly port: number;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** The name of its node, where the slice says it. */
  readonly nodeName: string | undefined;
  readonly nodeHints: readonly string[];
  readonly zoneHints: readonly string[];
}

/** Matches packets of local pods: the text of an iptables match and its negation. */
export interface LocalDetector {
  readonly ifLocal: string;
  readonly ifNotLocal: string;
}

/** What the rules of one family must know of this node and of the configuration. */
export interface NodeFacts {
  readonly family: Family;
  readonly nodeName: string;
  readonly zone: string | undefined;
  readonly nodeIp: string | undefined;
  readonly masqueradeBit: number;
  readonly masqueradeAll: boolean;
  readonly detector: LocalDetector | undefined;
  /** Addresses that serve nodePorts; undefined: every local address. */
  readonly nodePortAddresses: readonly string[] | undefined;
  readonly localhostNodePorts: boolean;
  readonly dropInvalid: boolean;
  /** How clients of a Service with affinity are remembered. */
  readonly affinity: 'recent' | 'ipset';
}

/** A line in a chain that several Services share. The empty rule only says that the chain exists. */
export interface SharedRule {
  readonly chain: string;
  readonly rule: string;
}

/** What one owner wants in one table: chains of its own, in order, and lines in shared chains, whose order does not matter. */
export interface TableRules {
  readonly own: ReadonlyMap<string, readonly string[]>;
  readonly shared: readonly SharedRule[];
}

export type Rules = Readonly<Record<TableName, TableRules>>;

/** An address and port under which a Service answers, with the endpoints that may answer for it ("ip"). */
export interface Frontend {
  readonly protocol: Protocol;
  /** undefined: a nodePort, on any local address. */
  readonly ip: string | undefined;
  readonly port: number;
  readonly endpointIps: ReadonlySet<string>;
}

/** A Service, thought through for one family of this node. */
export interface CompiledService {
  readonly rules: Rules;
  readonly frontends: readonly Frontend[];
  readonly healthCheck: { readonly port: number; readonly localEndpoints: number } | undefined;
  readonly affinitySets: readonly AffinitySet[];
  readonly endpointCount: number;
  readonly withoutLocalEndpoints: readonly ('internal' | 'external')[];
  /** Values of the object that were left out, and why. */
  readonly problems: readonly string[];
}

/** An ipset that remembers the clients of one endpoint. */
export interface AffinitySet {
  readonly name: string;
  readonly seconds: number;
}

/** A chain's new content as rule lines joined by newlines; undefined: the chain goes away. */
export interface ChainChange {
  readonly table: TableName;
  readonly chain: string;
  readonly body: string | undefined;
}

/** The part of the cluster that a proxy reads, kept true by somebody else. */
export interface ClusterView {
  /** Resolves when Services and EndpointSlices had their first complete list. */
  readonly synced: Promise<void>;
  /** Of all Services that this proxy serves: "namespace/name". */
  keys(): Iterable<string>;
  service(key: string): Service | undefined;
  slices(key: string): readonly EndpointSlice[];
  node(): Node | undefined;
  /** Told the key of each Service whose object or slices changed, or undefined when the Node changed. */
  onChange(listener: (key: string | undefined) => void): () => void;
}
