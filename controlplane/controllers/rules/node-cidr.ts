// Gives each node its block of pod addresses, one per family, out of the cluster's.
import { type Cidr, formatCidr, overlaps, parseCidr, sizeOf, subnetAt } from '../../../host/cidr.ts';
import { nodes } from '../../../kube/resources.ts';
import type { Node } from '../../../kube/types.ts';
import { type Controller, looksNoFurther, nothing, watch } from '../../model.ts';

export interface ClusterBlock {
  readonly cidr: Cidr;
  /** Prefix length of each node's block. */
  readonly nodePrefix: number;
}

/** One worker: a block that was given to one node must be seen before the next is chosen. */
export function nodeCidrController(blocks: readonly ClusterBlock[]): Controller {
  return {
    name: 'node-cidr',
    watches: [watch(nodes, ({ metadata }) => [metadata.name])],
    workers: 1,
    look: looksNoFurther,
    reconcile: (name, view) => {
      const node = view.get(nodes, name);
      if (!node || node.metadata.deletionTimestamp || node.spec?.podCIDR) return nothing;
      const podCIDRs = chooseBlocks(blocks, usedBlocks(view.list(nodes)));
      if (!podCIDRs) {
        const message = `Node ${name} status is now: CIDRNotAvailable`;
        // A node that leaves frees its block; nobody tells this one.
        return {
          actions: [{ do: 'Event', about: node, type: 'Normal', reason: 'CIDRNotAvailable', message }],
          againInMs: 60_000,
        };
      }
      const body = { spec: { podCIDR: podCIDRs[0], podCIDRs } };
      const because = 'the node has no pod addresses';
      return { actions: [{ do: 'Patch', of: nodes, at: { name }, patch: { type: 'strategic', body }, because }] };
    },
  };
}

function usedBlocks(all: readonly Node[]): Cidr[] {
  const texts = all.flatMap(({ spec }) => spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []));
  return texts.flatMap((text) => parseCidr(text) ?? []);
}

/** The first free block of each family; undefined when one family has none. */
export function chooseBlocks(blocks: readonly ClusterBlock[], used: readonly Cidr[]): string[] | undefined {
  const chosen = blocks.map((one) => firstFree(one, used));
  return chosen.every((one) => one !== undefined) ? chosen.map(formatCidr) : undefined;
}

function firstFree({ cidr, nodePrefix }: ClusterBlock, used: readonly Cidr[]): Cidr | undefined {
  const taken = used.filter((one) => overlaps(one, cidr));
  const firsts = new Set(taken.filter(({ prefix }) => prefix === nodePrefix).map(({ first }) => first));
  // Blocks of another size, given by hand or by an earlier configuration, are compared one by one.
  const odd = taken.filter(({ prefix }) => prefix !== nodePrefix);
  const count = sizeOf(cidr) / sizeOf({ ...cidr, prefix: nodePrefix });
  for (let index = 0n; index < count; index++) {
    const block = subnetAt(cidr, nodePrefix, index);
    if (block && !firsts.has(block.first) && !odd.some((one) => overlaps(one, block))) return block;
  }
  return undefined;
}
