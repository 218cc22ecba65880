// iptables of one family and one backend: whole texts through restore, single questions through the tool itself.
import { readFile } from 'node:fs/promises';
import type { Family } from './cidr.ts';
import { CommandError, run } from './commands.ts';

export type Backend = 'nft' | 'legacy';

export interface Iptables {
  readonly family: Family;
  readonly backend: Backend;
  /** Commits the text of tables, each as a whole; chains that it does not name stay as they are. */
  restore(text: string, signal?: AbortSignal): Promise<void>;
  /** The names of all chains of a table. Reads the whole table: not for every day. */
  chains(table: string, signal?: AbortSignal): Promise<string[]>;
  /** The rules of one chain as "-A CHAIN …" lines; undefined where there is no such chain. */
  rules(table: string, chain: string, signal?: AbortSignal): Promise<string[] | undefined>;
  /** Runs one command of the tool: `['-t', 'nat', '-C', …]`. */
  command(args: readonly string[], signal?: AbortSignal): Promise<string>;
}

const lockSeconds = '5';
const restoreTimeoutMs = 300_000;

/** Binds to the tools of a backend; nothing runs before the first call. Throws `CommandError` from every method. */
export function createIptables(family: Family, backend: Backend): Iptables {
  const tool = `${family === 4 ? 'iptables' : 'ip6tables'}-${backend}`;
  const command = async (args: readonly string[], signal?: AbortSignal): Promise<string> =>
    (await run(tool, ['-w', lockSeconds, ...args], signal ? { signal } : {})).stdout;
  return {
    family,
    backend,
    command,
    async restore(text, signal) {
      // A transaction that was sent must end: a signal stops us before it, not in the middle.
      signal?.throwIfAborted();
      await run(`${tool}-restore`, ['-w', lockSeconds, '--noflush'], { input: text, timeoutMs: restoreTimeoutMs });
    },
    async chains(table, signal) {
      const options = { maxOutputBytes: 1024 ** 3, timeoutMs: restoreTimeoutMs, ...(signal ? { signal } : {}) };
      const { stdout } = await run(`${tool}-save`, ['-t', table], options);
      return stdout.split('\n').flatMap((line) => /^:(\S+)/.exec(line)?.[1] ?? []);
    },
    async rules(table, chain, signal) {
      try {
        const text = await command(['-t', table, '-S', chain], signal);
        return text.split('\n').filter((line) => line.startsWith('-A '));
      } catch (error) {
        if (isNoSuchChain(error)) return undefined;
        throw error;
      }
    },
  };
}

export function isNoSuchChain(error: unknown): boolean {
  // "is incompatible" is what iptables-nft 1.8.9 says of a chain that is not there.
  return (
    error instanceof CommandError &&
    /No chain\/target\/match by that name|does not exist|is incompatible/.test(error.stderr)
  );
}

/** Another program holds the lock, or changed the table while we did: the same again may succeed. */
export function isBusy(error: unknown): boolean {
  return (
    error instanceof CommandError &&
    (error.reason === 'TimedOut' || /xtables lock|temporarily unavailable/i.test(error.stderr))
  );
}

/** Which backend this host uses: the one that a kubelet marked, else the one that has rules, else what `iptables` itself is. */
export async function detectBackend(signal?: AbortSignal): Promise<Backend> {
  const saved = async (backend: Backend): Promise<string> => {
    // Asking legacy tools loads legacy tables, which then stand in everybody's way.
    if (backend === 'legacy' && !(await hasLegacyTables())) return '';
    return (
      await run(`iptables-${backend}-save`, [], { maxOutputBytes: 1024 ** 3, ...(signal ? { signal } : {}) }).catch(
        () => ({ stdout: '' }),
      )
    ).stdout;
  };
  const [nft, legacy] = [await saved('nft'), await saved('legacy')];
  const isMarked = (text: string): boolean => /^:KUBE-(IPTABLES-HINT|KUBELET-CANARY) /m.test(text);
  if (isMarked(nft)) return 'nft';
  if (isMarked(legacy)) return 'legacy';
  const rules = (text: string): number => text.match(/^-A /gm)?.length ?? 0;
  if (rules(nft) !== rules(legacy)) return rules(nft) > rules(legacy) ? 'nft' : 'legacy';
  const { stdout } = await run('iptables', ['--version'], signal ? { signal } : {});
  return stdout.includes('nf_tables') ? 'nft' : 'legacy';
}

/** The backends that may hold rules: legacy only where its tables are loaded. */
export async function backendsInUse(): Promise<Backend[]> {
  return (await hasLegacyTables()) ? ['nft', 'legacy'] : ['nft'];
}

async function hasLegacyTables(): Promise<boolean> {
  const names = await readFile('/proc/net/ip_tables_names', 'utf8').catch(() => '');
  return names.trim() !== '';
}
