// Chain changes as the text that iptables-restore --noflush reads: a chain that is named is replaced as a whole.
import type { ChainChange, TableName } from '../model.ts';

/** One transaction per table, filter first: what was refused becomes reachable only when it is no longer refused. */
export function renderRestore(changes: readonly ChainChange[]): string {
  return (['filter', 'nat'] as const).map((table) => renderTable(table, changes)).join('');
}

function renderTable(table: TableName, changes: readonly ChainChange[]): string {
  const mine = changes.filter((change) => change.table === table);
  if (mine.length === 0) return '';
  const declared = mine.map(({ chain }) => `:${chain} - [0:0]`);
  const rules = mine.flatMap(({ chain, body }) => (body ? body.split('\n').map((rule) => `-A ${chain} ${rule}`) : []));
  const removed = mine.filter(({ body }) => body === undefined).map(({ chain }) => `-X ${chain}`);
  return `${[`*${table}`, ...declared, ...rules, ...removed, 'COMMIT'].join('\n')}\n`;
}
