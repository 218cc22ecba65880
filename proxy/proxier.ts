// The loop of one address family: snapshot → rules → what changed → apply. Read this first.

import type { Iptables } from '../host/iptables.ts';
import type { Log } from '../host/log.ts';
import { applyChanges, type RefusedRule } from './iptables/apply.ts';
import { ensureFirewall, ensureHooks } from './iptables/hooks.ts';
import type { ClusterView, CompiledService, NodeFacts, TableName } from './model.ts';
import { createRulebook } from './rulebook.ts';
import { baseRules } from './rules/base.ts';
import { isOurChain } from './rules/names.ts';
import { compileService } from './rules/service.ts';

export interface ProxierParts {
  readonly view: ClusterView;
  readonly iptables: Iptables;
  /** What this node is now; asked for at every sync. */
  readonly facts: () => NodeFacts;
  readonly log: Log;
  /** Hears of each Service that iptables does not take, once per trouble. */
  readonly onRefused: (key: string, refused: RefusedRule) => void;
}

export interface Proxier {
  /** This Service changed; undefined: the Node did, or everything may have. */
  touch(key: string | undefined): void;
  /** The host lost rules that we wrote: write all of them again at the next sync. */
  forget(): void;
  /** Makes the host have what the cluster wants. Throws when it could not; the next call goes on from there. */
  sync(signal: AbortSignal): Promise<void>;
  services(): ReadonlyMap<string, CompiledService>;
}

const base = '';

export function createProxier({ view, iptables, facts, log, onRefused }: ProxierParts): Proxier {
  const books = { filter: createRulebook('filter'), nat: createRulebook('nat') };
  const services = new Map<string, CompiledService>();
  const touched = new Set<string>();
  let knownFacts = '';
  /** Whether we know what stands on the host. */
  let isKnown = false;

  function replace(owner: string, compiled: Pick<CompiledService, 'rules'> | undefined): void {
    for (const table of ['filter', 'nat'] as const) books[table].replace(owner, compiled?.rules[table]);
  }

  function compile(key: string, now: NodeFacts): void {
    const service = view.service(key);
    const compiled = service && compileService(service, view.slices(key), now);
    for (const because of compiled?.problems ?? []) log.warn({ service: key, because }, 'Part of a Service left out');
    replace(key, compiled);
    if (compiled) services.set(key, compiled);
    else services.delete(key);
  }

  /** Everything that changed since the last sync, thought through again. */
  function think(): void {
    const now = facts();
    const text = JSON.stringify(now);
    if (text !== knownFacts) {
      knownFacts = text;
      replace(base, { rules: baseRules(now) });
      for (const key of [...services.keys(), ...view.keys()]) touched.add(key);
    }
    for (const key of touched) compile(key, now);
    touched.clear();
  }

  async function write(signal: AbortSignal): Promise<void> {
    for (;;) {
      const changes = [...books.filter.pending(), ...books.nat.pending()];
      if (changes.length === 0) return;
      const { written, refused } = await applyChanges(iptables, changes, signal);
      for (const table of ['filter', 'nat'] as const)
        books[table].settled(written.filter((change) => change.table === table));
      if (!refused) return;
      leaveOut(refused);
    }
  }

  /** One Service that the kernel does not take must not keep the others from being served. */
  function leaveOut(refused: RefusedRule): void {
    const owners = books[refused.table].ownersOf(refused.chain, refused.rule);
    if (owners.length === 0 || owners.includes(base)) throw refused.error;
    for (const key of owners) {
      replace(key, undefined);
      onRefused(key, refused);
    }
  }

  async function look(signal: AbortSignal): Promise<void> {
    for (const table of ['filter', 'nat'] as const satisfies readonly TableName[])
      books[table].forget((await iptables.chains(table, signal)).filter(isOurChain));
  }

  return {
    touch(key) {
      if (key !== undefined) touched.add(key);
    },
    forget() {
      isKnown = false;
    },
    async sync(signal) {
      think();
      if (!isKnown) await look(signal);
      await write(signal);
      if (isKnown) return;
      await ensureFirewall(iptables, iptables.family === 4 && facts().localhostNodePorts, signal);
      await ensureHooks(iptables, signal);
      isKnown = true;
    },
    services: () => services,
  };
}
