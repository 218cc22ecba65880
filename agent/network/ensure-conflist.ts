// Writes the node's own network configuration, unless the operator has brought another network.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDirectory, readIfExists, writeFileAtomic } from '../../host/files.ts';
import { BRIDGE_TYPE } from './network.ts';
import { candidateFiles, parseNetworkConfig } from './rules/conflist.ts';

export const CONFLIST_FILE = '10-nodelet.conflist';
const NETWORK = 'nodelet';

export interface ConflistOptions {
  readonly confDir: string;
  /** The node's share, one block per family. */
  readonly podCidrs: readonly string[];
  /** Where leases are kept, for several nodes on one machine. Default: the plugin's own. */
  readonly leaseDir?: string;
  /** Default "nodelet0". */
  readonly bridge?: string;
  /** Default: the kernel's 1500. */
  readonly mtu?: number;
}

/** What has become of it: "kept" where it was as wished, "foreign" where somebody else's network rules the directory. */
export type ConflistOutcome = 'written' | 'kept' | 'foreign';

/** Never writes beside or over a file of others. Repeatable; follows a changed pod CIDR. */
export async function ensureConflist(options: ConflistOptions): Promise<ConflistOutcome> {
  await ensureDirectory(options.confDir);
  const others = candidateFiles(await readdir(options.confDir)).filter((name) => name !== CONFLIST_FILE);
  if (others.length > 0) return 'foreign';
  const file = join(options.confDir, CONFLIST_FILE);
  const before = await readIfExists(file);
  const wished = renderConflist(options);
  if (before === wished) return 'kept';
  if (before !== undefined && !isOurs(before)) return 'foreign';
  await writeFileAtomic(file, wished, 0o644);
  return 'written';
}

function renderConflist({ podCidrs, leaseDir, bridge = 'nodelet0', mtu }: ConflistOptions): string {
  const plugin = {
    type: BRIDGE_TYPE,
    bridge,
    isGateway: true,
    isDefaultGateway: true,
    hairpinMode: true,
    ...(mtu === undefined ? {} : { mtu }),
    ipam: {
      ...(leaseDir === undefined ? {} : { dataDir: leaseDir }),
      ranges: podCidrs.map((subnet) => [{ subnet }]),
    },
  };
  return `${JSON.stringify({ cniVersion: '1.0.0', name: NETWORK, plugins: [plugin] }, undefined, 2)}\n`;
}

function isOurs(text: string): boolean {
  try {
    const { name, plugins } = parseNetworkConfig(text);
    return name === NETWORK && plugins[0]?.type === BRIDGE_TYPE;
  } catch {
    return false;
  }
}
