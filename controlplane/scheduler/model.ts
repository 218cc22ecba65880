// The scheduler's nouns: what a pod needs, what a node has left, and what was decided.
import type { Node, Pod, Taint } from '../../kube/types.ts';

/** Amounts by resource name, in billionths: CPU, memory and extended resources alike. */
export type Amounts = ReadonlyMap<string, bigint>;

/** A host port that a pod holds; `ip` is "0.0.0.0" for all addresses. */
export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** A node, and the sums over the pods that run or will run on it. */
export interface NodeInfo {
  readonly name: string;
  readonly node: Node;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly allocatable: Amounts;
  readonly requested: Amounts;
  /** As requested, but containers that ask for nothing count a little: for scores only. */
  readonly presumed: Amounts;
  readonly hostPorts: readonly HostPort[];
  readonly pods: readonly Pod[];
  /** Whether one of them wants certain others kept away from it. */
  readonly keepsAway: boolean;
}

/** A namespace's labels, by its name. */
export type NamespaceLabels = (name: string) => Readonly<Record<string, string>> | undefined;

/** A pod that wants a node. */
export interface Candidate {
  readonly pod: Pod;
  readonly requests: Amounts;
  readonly presumed: Amounts;
  readonly hostPorts: readonly HostPort[];
  readonly priority: number;
  readonly claims: Claims;
  readonly namespaces: NamespaceLabels;
}

/** What a pod's volumes ask of nodes. `blocked`: no node will do until this has changed, in upstream's words. */
export interface Claims {
  readonly blocked: string | undefined;
  readonly affinities: readonly NodeSelector[];
}

export interface NodeSelector {
  readonly nodeSelectorTerms: readonly NodeSelectorTerm[];
}

export interface NodeSelectorTerm {
  readonly matchExpressions?: readonly NodeSelectorRequirement[];
  readonly matchFields?: readonly NodeSelectorRequirement[];
}

export interface NodeSelectorRequirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

/** Why a node will not do. `lasting`: not even with all other pods gone from it. */
export interface Refusal {
  readonly reasons: readonly string[];
  readonly lasting: boolean;
}

export type Decision =
  | { readonly do: 'Bind'; readonly nodeName: string }
  | { readonly do: 'Wait'; readonly message: string };
