// ipsets that remember the clients of endpoints: unlike xt_recent they have room for every client.
import { CommandError, run } from '../../host/commands.ts';
import type { Iptables } from '../../host/iptables.ts';
import type { AffinitySet, Family } from '../model.ts';
import { renderRestore } from '../rules/render.ts';

export interface AffinitySets {
  /** Makes sets exist before a rule names them. */
  ensure(wanted: readonly AffinitySet[]): Promise<void>;
  /** Removes sets that no rule names any more. */
  prune(wanted: readonly AffinitySet[]): Promise<void>;
}

const mostClients = 1_048_576;
const isOurSet = (name: string): boolean => /^KUBE-SEP-[A-Z2-7]{16}$/.test(name);

function creation(name: string, family: Family): string {
  // Entries bring their own time-out; only a set that was made with one can hold them.
  return `create ${name} hash:ip family ${family === 4 ? 'inet' : 'inet6'} hashsize 64 maxelem ${mostClients} timeout 0`;
}

export function createAffinitySets(family: Family): AffinitySets {
  const known = new Set<string>();
  let isKnown = false;

  async function look(): Promise<void> {
    const { stdout } = await run('ipset', ['save'], { maxOutputBytes: 1024 ** 3 });
    const ours = new RegExp(`^create (\\S+) hash:ip family ${family === 4 ? 'inet' : 'inet6'} `, 'gm');
    for (const [, name = ''] of stdout.matchAll(ours)) if (isOurSet(name)) known.add(name);
    isKnown = true;
  }

  return {
    async ensure(wanted) {
      if (wanted.length > 0 && !isKnown) await look();
      const missing = wanted.filter(({ name }) => !known.has(name));
      if (missing.length === 0) return;
      const input = missing.map(({ name }) => `${creation(name, family)}\n`).join('');
      await run('ipset', ['restore', '-exist'], { input });
      for (const { name } of missing) known.add(name);
    },
    async prune(wanted) {
      if (!isKnown) await look();
      const names = new Set(wanted.map(({ name }) => name));
      for (const name of known) {
        if (names.has(name)) continue;
        // A rule of a table that we did not manage to write may still hold it: the next call tries again.
        const isGone = await run('ipset', ['destroy', name]).then(
          () => true,
          (error: unknown) => error instanceof CommandError && /does not exist/.test(error.stderr),
        );
        if (isGone) known.delete(name);
      }
    },
  };
}

/** Whether this host has ipset and its kernel lets rules name sets; tried in a chain that nobody jumps to. */
export async function hasSets(iptables: Iptables): Promise<boolean> {
  const name = 'KUBE-PROXY-PROBE';
  const chain = { table: 'nat', chain: 'KUBE-PROXY-TRIAL' } as const;
  try {
    await run('ipset', ['restore', '-exist'], { input: `${creation(name, iptables.family)}\n` });
    const body = `-m set --match-set ${name} src -j SET --add-set ${name} src --exist --timeout 60`;
    await iptables.restore(renderRestore([{ ...chain, body }]));
    await iptables.restore(renderRestore([{ ...chain, body: undefined }]));
    return true;
  } catch {
    return false;
  } finally {
    await run('ipset', ['destroy', name]).catch(() => {});
  }
}
