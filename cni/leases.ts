// Who holds which address: one file per container in the network's directory, made and removed in one step each, so that a kill
// at any line leaves a whole lease or none. Leases need no flush to disk: a power cut ends the namespaces that hold the addresses too.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalIp, parseAddress } from '../host/cidr.ts';
import { linkExists } from '../host/links.ts';
import { withLock } from '../host/locks.ts';
import { type AttachmentKey, type BridgeConfig, CniCode, CniError, type Lease, type RangeSet } from './model.ts';
import { hostIfName, leaseFileName, parseLeaseFileName } from './rules/names.ts';
import { mayHold, nextAddress } from './rules/ranges.ts';

export interface Taken {
  readonly lease: Lease;
  /** False: the container had it before. */
  readonly isNew: boolean;
}

/** All leases of a network. Files that are none are left alone. */
export function listLeases(leaseDir: string): readonly Lease[] {
  return readNames(leaseDir).flatMap((name) => parseLeaseFileName(name) ?? []);
}

export function findLease(leaseDir: string, key: AttachmentKey): Lease | undefined {
  return listLeases(leaseDir).find((lease) => isOf(lease, key));
}

/** The container's lease, or a new one with an address of each range set. Throws CniError 11 when a set has none left. */
export function takeLease(config: BridgeConfig, key: AttachmentKey): Promise<Taken> {
  return withLock(config.leaseDir, () => {
    const leases = listLeases(config.leaseDir);
    const held = leases.find((lease) => isOf(lease, key));
    if (held) return { lease: held, isNew: false };
    const addresses = chooseAddresses(config, leases);
    const names = new Set(leases.map((lease) => lease.hostIfName));
    const name = hostIfName(key, (candidate) => names.has(candidate) || linkExists(candidate));
    const lease: Lease = { ...key, hostIfName: name, addresses };
    mkdirSync(config.leaseDir, { recursive: true, mode: 0o700 });
    writeFileSync(join(config.leaseDir, leaseFileName(lease)), '', { flag: 'wx', mode: 0o600 });
    for (const [at, address] of addresses.entries())
      writeFileSync(lastFile(config.leaseDir, at), address, { mode: 0o600 });
    return { lease, isNew: true };
  });
}

/** Gives the addresses back. Repeatable. Whoever calls has removed the cable before. */
export async function releaseLease(leaseDir: string, lease: Lease): Promise<void> {
  await withLock(leaseDir, () => rmSync(join(leaseDir, leaseFileName(lease)), { force: true }));
}

function chooseAddresses(
  { rangeSets, staticIps, leaseDir }: BridgeConfig,
  leases: readonly Lease[],
): readonly string[] {
  const taken = new Set(leases.flatMap((lease) => lease.addresses));
  const asked = [...staticIps];
  const chosen = rangeSets.map((set, at) => {
    const wish = asked.findIndex((ip) => isWithin(set, ip));
    const [ip] = wish < 0 ? [] : asked.splice(wish, 1);
    if (ip === undefined) return nextAddress(set, taken, readLast(leaseDir, at)) ?? noneLeft(leaseDir);
    return taken.has(ip) ? alreadyTaken(ip) : ip;
  });
  const [left] = asked;
  if (left === undefined) return chosen;
  throw new CniError(CniCode.InvalidConfig, `Cannot give address "${left}": no range holds it, or it is a gateway`);
}

function isWithin(set: RangeSet, ip: string): boolean {
  const address = parseAddress(ip);
  return address !== undefined && mayHold(set, address);
}

function noneLeft(leaseDir: string): never {
  throw new CniError(CniCode.TryAgainLater, `Cannot give an address: all are taken`, `leases lie in "${leaseDir}"`);
}

function alreadyTaken(ip: string): never {
  throw new CniError(CniCode.TryAgainLater, `Cannot give address "${ip}": another container holds it`);
}

function isOf(lease: Lease, { containerId, ifName }: AttachmentKey): boolean {
  return lease.containerId === containerId && lease.ifName === ifName;
}

/** A hint only: lost or torn, the next search starts at the range's first address. */
function readLast(leaseDir: string, at: number): string | undefined {
  try {
    return canonicalIp(readFileSync(lastFile(leaseDir, at), 'utf8'));
  } catch {
    return undefined;
  }
}

function lastFile(leaseDir: string, at: number): string {
  return join(leaseDir, `last.${at}`);
}

function readNames(leaseDir: string): readonly string[] {
  try {
    return readdirSync(leaseDir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
