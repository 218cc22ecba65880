// Notices nodes that fell silent; remembers when each was last heard of.
import { leases, nodes, pods } from '../../kube/resources.ts';
import type { Lease, Node } from '../../kube/types.ts';
import { type Controller, nothing, watch } from '../model.ts';
import { type LifecycleLimits, planNode, upstreamLimits } from './rules/node-lifecycle.ts';
import { isReady, nodeCondition } from './rules/pod-conditions.ts';

export const leaseNamespace = 'kube-node-lease';

export function nodeLifecycleController(limits: LifecycleLimits = upstreamLimits): Controller<number> {
  const seen = new Map<string, { sign: string; ms: number }>();
  return {
    name: 'node-lifecycle',
    watches: [
      watch(nodes, ({ metadata }) => [metadata.name]),
      watch(leases, ({ metadata }) => (metadata.namespace === leaseNamespace ? [metadata.name] : [])),
      watch(
        pods,
        ({ spec }) => (spec.nodeName ? [spec.nodeName] : []),
        (before, after) => isReady(after) && !isReady(before),
      ),
    ],
    look: (name, view, { nowMs }) => {
      const node = view.get(nodes, name);
      if (!node) {
        seen.delete(name);
        return nowMs;
      }
      const sign = signOfLife(node, view.get(leases, `${leaseNamespace}/${name}`));
      const known = seen.get(name);
      const ms = known?.sign === sign ? known.ms : nowMs;
      seen.set(name, { sign, ms });
      return ms;
    },
    reconcile: (name, view, nowMs, lastSeenMs) => {
      const node = view.get(nodes, name);
      return node ? planNode(node, view.podsOn(name), nowMs, lastSeenMs, limits) : nothing;
    },
  };
}

function signOfLife(node: Node, lease: Lease | undefined): string {
  return JSON.stringify([node.metadata.uid, nodeCondition(node, 'Ready')?.lastHeartbeatTime, lease?.spec?.renewTime]);
}
