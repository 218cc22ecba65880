// Brings chain changes to the kernel: few large transactions, and the one rule that the kernel refuses when one does not pass.
import { CommandError } from '../../host/commands.ts';
import { type Iptables, isBusy } from '../../host/iptables.ts';
import type { ChainChange, TableName } from '../model.ts';
import { renderRestore } from '../rules/render.ts';

/** A rule that iptables does not take, and its words. */
export interface RefusedRule {
  readonly table: TableName;
  readonly chain: string;
  readonly rule: string;
  readonly error: CommandError;
}

export interface Applied {
  /** What stands on the host now. */
  readonly written: readonly ChainChange[];
  /** The first rule that was refused; what comes after it was not tried. */
  readonly refused?: RefusedRule;
}

// iptables-nft grows more than linearly with the chains of one transaction.
const chainsPerTransaction = 500;
const trialChain = 'KUBE-PROXY-TRIAL';

/**
 * Writes `changes` in their order. Up to 500 chains are one transaction per table, more are cut in pieces: the caller orders them so
 * that each piece may stand alone. Throws where iptables itself is in trouble (lock, no such program) rather than a rule.
 */
export async function applyChanges(
  iptables: Iptables,
  changes: readonly ChainChange[],
  signal?: AbortSignal,
): Promise<Applied> {
  const written: ChainChange[] = [];
  for (let at = 0; at < changes.length; at += chainsPerTransaction) {
    const piece = changes.slice(at, at + chainsPerTransaction);
    const refused = await applyPiece(iptables, piece, written, signal);
    if (refused) return { written, refused };
  }
  return { written };
}

async function applyPiece(
  iptables: Iptables,
  piece: readonly ChainChange[],
  written: ChainChange[],
  signal?: AbortSignal,
): Promise<RefusedRule | undefined> {
  const error = await attempt(iptables, renderRestore(piece), signal);
  if (!error) {
    written.push(...piece);
    return undefined;
  }
  const [only] = piece;
  if (piece.length === 1 && only) return refusedRule(iptables, only, error, signal);
  const middle = Math.ceil(piece.length / 2);
  for (const half of [piece.slice(0, middle), piece.slice(middle)]) {
    const refused = await applyPiece(iptables, half, written, signal);
    if (refused) return refused;
  }
  return undefined;
}

async function attempt(iptables: Iptables, text: string, signal?: AbortSignal): Promise<CommandError | undefined> {
  try {
    await iptables.restore(text, signal);
    return undefined;
  } catch (error) {
    if (error instanceof CommandError && error.reason === 'Failed' && !isBusy(error)) return error;
    throw error;
  }
}

/** Finds the line in a chain that does not pass, by halves, in a chain that nobody jumps to. */
async function refusedRule(
  iptables: Iptables,
  { table, chain, body = '' }: ChainChange,
  error: CommandError,
  signal?: AbortSignal,
): Promise<RefusedRule> {
  let suspects = body.split('\n');
  while (suspects.length > 1) {
    const half = suspects.slice(0, Math.ceil(suspects.length / 2));
    const trial: ChainChange = { table, chain: trialChain, body: half.join('\n') };
    const isIn = (await attempt(iptables, renderRestore([trial]), signal)) !== undefined;
    suspects = isIn ? half : suspects.slice(half.length);
  }
  await attempt(iptables, renderRestore([{ table, chain: trialChain, body: undefined }]), signal);
  return { table, chain, rule: suspects[0] ?? '', error };
}
