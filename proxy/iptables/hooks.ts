// Keeps our chains hung into the kernel's: looks at the kernel's chain, adds what is missing at its head.
import type { Iptables } from '../../host/iptables.ts';
import type { TableName } from '../model.ts';
import { type Hook, hooks, martianGuard } from '../rules/base.ts';

const places = [...new Set(hooks.map(({ table, from }) => `${table} ${from}`))].map((place) => {
  const [table = 'nat', from = ''] = place.split(' ');
  return { table: table as TableName, from, hooks: hooks.filter((hook) => hook.table === table && hook.from === from) };
});

function jump({ match, to }: Hook): string {
  return `${match === '' ? '' : `${match} `}-j ${to}`;
}

/** The jumps that are not there. */
export async function missingHooks(iptables: Iptables, signal?: AbortSignal): Promise<readonly Hook[]> {
  const missing = await Promise.all(
    places.map(async ({ table, from, hooks: wanted }) => {
      const rules = (await iptables.rules(table, from, signal)) ?? [];
      return wanted.filter((hook) => !rules.includes(`-A ${from} ${jump(hook)}`));
    }),
  );
  return missing.flat();
}

/** Makes every jump stand, in one transaction per table. Returns how many were missing. */
export async function ensureHooks(iptables: Iptables, signal?: AbortSignal): Promise<number> {
  const missing = await missingHooks(iptables, signal);
  if (missing.length === 0) return 0;
  const insert = (table: TableName): string => {
    // The last that is inserted stands first.
    const mine = missing.filter((hook) => hook.table === table).toReversed();
    if (mine.length === 0) return '';
    return `${[`*${table}`, ...mine.map((hook) => `-I ${hook.from} 1 ${jump(hook)}`), 'COMMIT'].join('\n')}\n`;
  };
  await iptables.restore(insert('filter') + insert('nat'), signal);
  return missing.length;
}

/** Lets KUBE-FIREWALL exist, with our one rule in it where nodePorts answer on 127.0.0.1. Its other rules are not ours. */
export async function ensureFirewall(iptables: Iptables, isGuarded: boolean, signal?: AbortSignal): Promise<void> {
  const rules = await iptables.rules('filter', 'KUBE-FIREWALL', signal);
  if (!rules) await iptables.command(['-t', 'filter', '-N', 'KUBE-FIREWALL'], signal);
  const stands = rules?.some((rule) => rule.includes('127.0.0.0/8') && rule.endsWith('-j DROP'));
  if (isGuarded && !stands)
    await iptables.command(['-t', 'filter', '-A', 'KUBE-FIREWALL', ...martianGuard.split(' ')], signal);
}
