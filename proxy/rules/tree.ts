// Prefix trees in iptables: a packet walks a few short chains instead of one rule per Service.
import { block, type Family, formatAddress, formatCidr, parseAddress } from '../../host/cidr.ts';
import type { Protocol, SharedRule } from '../model.ts';
import { hash16 } from './names.ts';

export interface AddressTree {
  readonly root: string;
  /** Begins the names of the chains below the root: at most 10 characters. */
  readonly stem: string;
  readonly match: '-s' | '-d';
  /** Prefix lengths at which it branches. */
  readonly levels: Readonly<Record<Family, readonly number[]>>;
}

/** Service ranges are /12 to /20 (IPv4) and /108 to /112 (IPv6): from there on at most 16 branches per chain. */
export const anywhere: AddressTree['levels'] = { 4: [8, 16, 20, 24, 28], 6: [64, 112, 116, 120, 124] };
/** The pods of one node are few and neighbours. */
export const nearby: AddressTree['levels'] = { 4: [24, 28], 6: [64, 120, 124] };

/**
 * The lines that lead from a tree's root to `rule` for one address. Each owner gives the whole path; equal lines of several owners
 * are one line, so the tree has exactly the branches that somebody needs.
 *
 * Branches are gotos: a packet that no leaf takes goes on behind the jump to the root.
 */
export function placeAddress(tree: AddressTree, ip: string, rule: string): SharedRule[] {
  const address = parseAddress(ip);
  if (!address) throw new Error(`Not an address: "${ip}"`);
  const path: SharedRule[] = [];
  let chain = tree.root;
  for (const prefix of tree.levels[address.family]) {
    const cidr = block(address, prefix);
    const name =
      address.family === 4 ? formatAddress({ family: 4, bits: cidr.first }) : hash16(formatCidr(cidr)).slice(0, 14);
    const below = `${tree.stem}${name}-${prefix}`;
    path.push({ chain, rule: `${tree.match} ${formatCidr(cidr)} -g ${below}` });
    chain = below;
  }
  path.push({ chain, rule });
  return path;
}

const portLevels = [8, 12];

/** The same for a port of a protocol: at most 16 ports in the last chain. */
export function placePort(root: string, protocol: Protocol, port: number, rule: string): SharedRule[] {
  const path: SharedRule[] = [];
  let chain = root;
  for (const prefix of portLevels) {
    const size = 1 << (16 - prefix);
    const first = port - (port % size);
    const below = `KUBE-PORT-${protocol}-${first}-${prefix}`;
    path.push({ chain, rule: `-p ${protocol} -m ${protocol} --dport ${first}:${first + size - 1} -g ${below}` });
    chain = below;
  }
  path.push({ chain, rule });
  return path;
}
