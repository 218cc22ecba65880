// What we want in one table and what we wrote there, chain by chain. Memory only: nobody else knows better what we wrote.
import type { ChainChange, TableName, TableRules } from './model.ts';
import { rankOf } from './rules/names.ts';

export interface Rulebook {
  /** Takes all that an owner wanted before and puts `rules` in its place; undefined: the owner is gone. */
  replace(owner: string, rules: TableRules | undefined): void;
  /** What must be written so that the host has what is wanted, lowest chains first, removals last. */
  pending(): ChainChange[];
  /** These changes were committed. */
  settled(changes: readonly ChainChange[]): void;
  /** Nothing that we wrote can be relied on; `present` are chains of ours that stand there all the same. */
  forget(present: Iterable<string>): void;
  /** Who wants a line in a chain. */
  ownersOf(chain: string, rule: string): string[];
  ruleCount(): number;
}

const unknown = '\0';

export function createRulebook(table: TableName): Rulebook {
  const wishes = new Map<string, TableRules>();
  const own = new Map<string, string>();
  /** Chain → line → how many owners want it. */
  const shared = new Map<string, Map<string, number>>();
  /** Chain → what stands on the host. */
  const written = new Map<string, string>();
  const dirty = new Set<string>();
  let rules = 0;

  function add({ own: chains, shared: lines }: TableRules): void {
    for (const [chain, body] of chains) {
      own.set(chain, body.join('\n'));
      rules += body.length;
      dirty.add(chain);
    }
    for (const { chain, rule } of lines) {
      const counts = shared.get(chain) ?? new Map<string, number>();
      shared.set(chain, counts);
      const count = counts.get(rule) ?? 0;
      counts.set(rule, count + 1);
      if (count > 0) continue;
      if (rule !== '') rules++;
      dirty.add(chain);
    }
  }

  function take({ own: chains, shared: lines }: TableRules): void {
    for (const [chain, body] of chains) {
      own.delete(chain);
      rules -= body.length;
      dirty.add(chain);
    }
    for (const { chain, rule } of lines) {
      const counts = shared.get(chain);
      const count = counts?.get(rule) ?? 0;
      if (count > 1) counts?.set(rule, count - 1);
      if (count !== 1) continue;
      counts?.delete(rule);
      if (counts?.size === 0) shared.delete(chain);
      if (rule !== '') rules--;
      dirty.add(chain);
    }
  }

  function bodyOf(chain: string): string | undefined {
    const lines = shared.get(chain);
    if (!lines) return own.get(chain);
    return [...lines.keys()]
      .filter((line) => line !== '')
      .sort()
      .join('\n');
  }

  return {
    replace(owner, next) {
      const before = wishes.get(owner);
      // New lines first: a line that stays never counts as gone.
      if (next) add(next);
      if (before) take(before);
      // A chain of its own that stays was taken with the old wish.
      if (next && before) for (const [chain, body] of next.own) own.set(chain, body.join('\n'));
      if (next) wishes.set(owner, next);
      else wishes.delete(owner);
    },
    pending() {
      const changes: ChainChange[] = [];
      for (const chain of dirty) {
        const body = bodyOf(chain);
        if (body === written.get(chain)) dirty.delete(chain);
        else changes.push({ table, chain, body });
      }
      const order = ({ chain, body }: ChainChange): number =>
        body === undefined ? 10_000 - rankOf(chain) : rankOf(chain);
      return changes
        .map((change) => ({ change, at: order(change) }))
        .sort((a, b) => a.at - b.at)
        .map(({ change }) => change);
    },
    settled(changes) {
      for (const { chain, body } of changes) {
        if (body === undefined) written.delete(chain);
        else written.set(chain, body);
        dirty.delete(chain);
        if (body !== bodyOf(chain)) dirty.add(chain);
      }
    },
    forget(present) {
      written.clear();
      for (const chain of [...own.keys(), ...shared.keys()]) dirty.add(chain);
      for (const chain of present) {
        written.set(chain, unknown);
        dirty.add(chain);
      }
    },
    ownersOf(chain, rule) {
      const wants = (wish: TableRules): boolean =>
        wish.own.has(chain) || wish.shared.some((line) => line.chain === chain && line.rule === rule);
      return [...wishes].filter(([, wish]) => wants(wish)).map(([owner]) => owner);
    },
    ruleCount: () => rules,
  };
}
