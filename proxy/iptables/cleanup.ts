// Removes every chain and jump of ours, and nothing else.
import type { Iptables } from '../../host/iptables.ts';
import { hooks, martianGuard } from '../rules/base.ts';
import { isOurChain } from '../rules/names.ts';
import { missingHooks } from './hooks.ts';

/** KUBE-FIREWALL may be the kubelet's as well: it goes only when it is empty then. */
async function cleanFirewall(iptables: Iptables, signal?: AbortSignal): Promise<void> {
  const rules = await iptables.rules('filter', 'KUBE-FIREWALL', signal);
  if (!rules) return;
  const own = rules.filter((rule) => rule.includes('127.0.0.0/8') && rule.endsWith('-j DROP'));
  for (const _ of own)
    await iptables.command(['-t', 'filter', '-D', 'KUBE-FIREWALL', ...martianGuard.split(' ')], signal);
  if (own.length < rules.length) return;
  for (const from of ['INPUT', 'OUTPUT'])
    await iptables.command(['-t', 'filter', '-D', from, '-j', 'KUBE-FIREWALL'], signal).catch(() => {});
  await iptables.command(['-t', 'filter', '-X', 'KUBE-FIREWALL'], signal);
}

/** Throws `CommandError`; what was removed by then is removed. Doing it again is harmless. */
export async function cleanUpRules(iptables: Iptables, signal?: AbortSignal): Promise<void> {
  const missing = new Set(await missingHooks(iptables, signal));
  for (const table of ['filter', 'nat'] as const) {
    const jumps = hooks
      .filter((hook) => hook.table === table && hook.to !== 'KUBE-FIREWALL' && !missing.has(hook))
      .map(({ from, match, to }) => `-D ${from} ${match === '' ? '' : `${match} `}-j ${to}`);
    const chains = (await iptables.chains(table, signal)).filter(isOurChain);
    // First all are emptied, then none is jumped to any more.
    const lines = [`*${table}`, ...chains.map((chain) => `:${chain} - [0:0]`), ...jumps];
    await iptables.restore(`${[...lines, ...chains.map((chain) => `-X ${chain}`), 'COMMIT'].join('\n')}\n`, signal);
  }
  if ((await iptables.rules('mangle', 'KUBE-PROXY-CANARY', signal)) !== undefined)
    await iptables.command(['-t', 'mangle', '-X', 'KUBE-PROXY-CANARY'], signal);
  await cleanFirewall(iptables, signal);
}
