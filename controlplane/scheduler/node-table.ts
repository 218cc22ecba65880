// The nodes and what their pods leave of them, summed again only where something changed. Pods count from the decision on, not from when the API shows it.
import { keyOf } from '../../kube/informer.ts';
import { nodes, pods } from '../../kube/resources.ts';
import type { Node, Pod } from '../../kube/types.ts';
import type { Cache } from '../cache.ts';
import type { NodeInfo } from './model.ts';
import { awayTerms } from './rules/pod-affinity.ts';
import { add, amounts, podHostPorts, podRequests, presumedPodRequests } from './rules/requests.ts';

export interface NodeTable {
  infos(): readonly NodeInfo[];
  /** Counts `pod` on the node that was chosen for it, until the API shows it there or says that it is gone. */
  assume(pod: Pod, nodeName: string): void;
  forget(pod: Pod): void;
  isAssumed(key: string): boolean;
}

/** Subscribes to pods and nodes; made before the cache runs. */
export function createNodeTable(cache: Cache): NodeTable {
  const infos = new Map<string, NodeInfo>();
  const assumed = new Map<string, Pod>();

  const forgetSums = (pod: Pod): void => {
    if (pod.spec.nodeName) infos.delete(pod.spec.nodeName);
  };
  cache.subscribe(nodes, ({ object }) => infos.delete(object.metadata.name));
  cache.subscribe(pods, (change) => {
    const pod = change.object as Pod;
    forgetSums(pod);
    if (change.kind === 'deleted' || pod.spec.nodeName || pod.metadata.deletionTimestamp) forget(pod);
  });

  function forget(pod: Pod): void {
    const key = keyOf(pod);
    const held = assumed.get(key);
    if (!held || held.metadata.uid !== pod.metadata.uid) return;
    assumed.delete(key);
    forgetSums(held);
  }

  function infoOf(node: Node): NodeInfo {
    const name = node.metadata.name;
    const known = infos.get(name);
    if (known?.node === node) return known;
    const waiting = [...assumed.values()].filter(({ spec }) => spec.nodeName === name);
    const info = sumUp(node, [...cache.view.podsOn(name), ...waiting]);
    infos.set(name, info);
    return info;
  }

  return {
    infos: () =>
      cache.view
        .list(nodes)
        .filter(({ metadata }) => !metadata.deletionTimestamp)
        .map(infoOf),
    assume: (pod, nodeName) => {
      assumed.set(keyOf(pod), { ...pod, spec: { ...pod.spec, nodeName } });
      infos.delete(nodeName);
    },
    forget,
    isAssumed: (key) => assumed.has(key),
  };
}

/** Finished pods hold nothing any more. */
export function sumUp(node: Node, all: readonly Pod[]): NodeInfo {
  const running = all.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed');
  return {
    name: node.metadata.name,
    node,
    labels: node.metadata.labels ?? {},
    taints: node.spec?.taints ?? [],
    allocatable: amounts(node.status?.allocatable),
    requested: running.map(podRequests).reduce(add, new Map()),
    presumed: running.map(presumedPodRequests).reduce(add, new Map()),
    hostPorts: running.flatMap(podHostPorts),
    pods: running,
    keepsAway: running.some((pod) => awayTerms(pod).length > 0),
  };
}
