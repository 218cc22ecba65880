// Which nodes will do for a pod; the first filter that refuses says why, in upstream's order and words.
import type { Taint, Toleration } from '../../../kube/types.ts';
import { tolerates } from '../../model.ts';
import type { Candidate, HostPort, NodeInfo, Refusal } from '../model.ts';
import { matchesNodeSelector, matchesRequired } from './node-affinity.ts';
import { podAffinityCheck } from './pod-affinity.ts';
import { spreadCheck } from './spread.ts';

type Filter = (candidate: Candidate, node: NodeInfo) => Refusal | undefined;

const unschedulableTaint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

const lasting = (reason: string): Refusal => ({ reasons: [reason], lasting: true });

const isTolerated = (tolerations: readonly Toleration[] | undefined, taint: Taint): boolean =>
  (tolerations ?? []).some((one) => tolerates(one, taint));

const unschedulable: Filter = ({ pod }, { node }) =>
  node.spec?.unschedulable && !isTolerated(pod.spec.tolerations, unschedulableTaint)
    ? lasting('node(s) were unschedulable')
    : undefined;

const taints: Filter = ({ pod }, node) =>
  node.taints.some((taint) => taint.effect !== 'PreferNoSchedule' && !isTolerated(pod.spec.tolerations, taint))
    ? lasting('node(s) had untolerated taint(s)')
    : undefined;

const affinity: Filter = ({ pod }, node) =>
  matchesRequired(pod, node) ? undefined : lasting("node(s) didn't match Pod's node affinity/selector");

const hostPorts: Filter = (candidate, node) =>
  candidate.hostPorts.some((wanted) => node.hostPorts.some((held) => clash(wanted, held)))
    ? { reasons: ["node(s) didn't have free ports for the requested pod ports"], lasting: false }
    : undefined;

function clash(a: HostPort, b: HostPort): boolean {
  const sameAddress = a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0';
  return sameAddress && a.port === b.port && a.protocol === b.protocol;
}

const podsResource = 'pods';
const one = 1_000_000_000n;

const resources: Filter = ({ requests }, { allocatable, requested, pods }) => {
  const reasons: string[] = [];
  let beyond = false;
  if (BigInt(pods.length + 1) * one > (allocatable.get(podsResource) ?? 0n)) reasons.push('Too many pods');
  for (const [name, amount] of [...requests].sort(byResource)) {
    const room = allocatable.get(name) ?? 0n;
    if (amount === 0n || (requested.get(name) ?? 0n) + amount <= room) continue;
    reasons.push(`Insufficient ${name}`);
    if (amount > room) beyond = true;
  }
  return reasons.length > 0 ? { reasons, lasting: beyond } : undefined;
};

const resourceOrder = ['cpu', 'memory', 'ephemeral-storage'];

function byResource([a]: [string, bigint], [b]: [string, bigint]): number {
  const place = (name: string): number =>
    (resourceOrder.indexOf(name) + resourceOrder.length + 1) % (resourceOrder.length + 1);
  return place(a) - place(b) || (a < b ? -1 : 1);
}

const volumes: Filter = ({ claims }, node) =>
  claims.affinities.every((selector) => matchesNodeSelector(selector, node))
    ? undefined
    : lasting("node(s) didn't match PersistentVolume's node affinity");

const filters: readonly Filter[] = [unschedulable, taints, affinity, hostPorts, resources, volumes];

/** The filters for one pod, in order. Those that look at all nodes do so here, once. */
export function filtersFor(candidate: Candidate, nodes: readonly NodeInfo[]): (node: NodeInfo) => Refusal | undefined {
  const spread = spreadCheck(candidate.pod, nodes);
  const affinities = podAffinityCheck(candidate.pod, nodes, candidate.namespaces);
  return (node) => {
    for (const filter of filters) {
      const refused = filter(candidate, node);
      if (refused) return refused;
    }
    return spread?.(node) ?? affinities(node);
  };
}
