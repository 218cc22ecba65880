// The loop of one address family: snapshot → rules → what changed → apply. Read this first.
import type { Iptables } from '../host/iptables.ts';
import type { Log } from '../host/log.ts';
import { createAffinitySets } from './iptables/affinity-sets.ts';
import { applyChanges, type RefusedRule } from './iptables/apply.ts';
import { ensureCanary } from './iptables/flush.ts';
import { ensureFirewall, ensureHooks } from './iptables/hooks.ts';
import type { ChainChange, ClusterView, CompiledService, Frontend, NodeFacts, TableName } from './model.ts';
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
  /** Hears of each Service that iptables does not take, at each change of it. */
  readonly onRefused: (key: string, refused: RefusedRule) => void;
}

/** What one sync did. */
export interface SyncReport {
  /** Everything was written, not only what changed. */
  readonly isFull: boolean;
  readonly written: Readonly<Record<TableName, number>>;
  readonly total: Readonly<Record<TableName, number>>;
  readonly touched: readonly string[];
  /** Frontends of the touched Services before and after. */
  readonly before: readonly Frontend[];
  readonly after: readonly Frontend[];
}

export interface Proxier {
  /** This Service changed; undefined: the Node did, which is looked at in every sync. */
  touch(key: string | undefined): void;
  /** The host lost rules that we wrote: write all of them again at the next sync. */
  forget(): void;
  /** Makes the host have what the cluster wants. Throws when it could not; the next call goes on from there. */
  sync(signal: AbortSignal): Promise<SyncReport>;
  services(): ReadonlyMap<string, CompiledService>;
}

const tables = ['filter', 'nat'] as const;
const base = '';

export function createProxier({ view, iptables, facts, log, onRefused }: ProxierParts): Proxier {
  const books = { filter: createRulebook('filter'), nat: createRulebook('nat') };
  const sets = createAffinitySets(iptables.family);
  const services = new Map<string, CompiledService>();
  const touched = new Set<string>(view.keys());
  let now = facts();
  let knownFacts = '';
  /** Whether we know what stands on the host. */
  let isKnown = false;

  function replace(owner: string, compiled: Pick<CompiledService, 'rules'> | undefined): void {
    for (const table of tables) books[table].replace(owner, compiled?.rules[table]);
  }

  function compile(key: string): void {
    const service = view.service(key);
    const compiled = service && compileService(service, view.slices(key), now);
    for (const because of compiled?.problems ?? []) log.warn({ service: key, because }, 'Part of a Service left out');
    replace(key, compiled);
    if (compiled) services.set(key, compiled);
    else services.delete(key);
  }

  /** Thinks everything through again that changed since the last sync. */
  function think(): Pick<SyncReport, 'touched' | 'before' | 'after'> {
    now = facts();
    const text = JSON.stringify(now);
    if (text !== knownFacts) {
      knownFacts = text;
      replace(base, { rules: baseRules(now) });
      for (const key of [...services.keys(), ...view.keys()]) touched.add(key);
    }
    const keys = [...touched];
    touched.clear();
    const frontends = (): Frontend[] => keys.flatMap((key) => services.get(key)?.frontends ?? []);
    const before = frontends();
    for (const key of keys) compile(key);
    return { touched: keys, before, after: frontends() };
  }

  async function look(signal: AbortSignal): Promise<void> {
    for (const table of tables)
      books[table].forget((await iptables.chains(table, signal)).filter((chain) => isOurChain(chain)));
  }

  /** Writes what the books have pending; one Service that the kernel does not take must not keep the others from being served. */
  async function write(signal: AbortSignal): Promise<ChainChange[]> {
    const all: ChainChange[] = [];
    for (;;) {
      const changes = tables.flatMap((table) => books[table].pending());
      if (changes.length === 0) return all;
      const { written, refused } = await applyChanges(iptables, changes, signal);
      for (const table of tables) books[table].settled(written.filter((change) => change.table === table));
      all.push(...written);
      if (refused) leaveOut(refused);
    }
  }

  function leaveOut(refused: RefusedRule): void {
    const owners = books[refused.table].ownersOf(refused.chain, refused.rule);
    if (owners.length === 0 || owners.includes(base)) throw refused.error;
    for (const key of owners) {
      replace(key, undefined);
      onRefused(key, refused);
    }
  }

  /** Last of all, so that nothing is reached before everything stands. */
  async function hang(signal: AbortSignal): Promise<void> {
    await ensureCanary(iptables, signal);
    await ensureFirewall(iptables, now.localhostNodePorts, signal);
    await ensureHooks(iptables, signal);
  }

  return {
    touch(key) {
      if (key !== undefined) touched.add(key);
    },
    forget() {
      isKnown = false;
    },
    async sync(signal) {
      const thought = think();
      const isFull = !isKnown;
      if (isFull) await look(signal);
      const remembered = [...services.values()].flatMap((one) => one.affinitySets);
      await sets.ensure(remembered);
      const written = await write(signal);
      if (isFull) await hang(signal);
      isKnown = true;
      if (now.affinity === 'ipset') await sets.prune(remembered);
      const rulesIn = (table: TableName): number =>
        written.reduce((sum, one) => sum + (one.table === table && one.body ? one.body.split('\n').length : 0), 0);
      return {
        ...thought,
        isFull,
        written: { filter: rulesIn('filter'), nat: rulesIn('nat') },
        total: { filter: books.filter.ruleCount(), nat: books.nat.ruleCount() },
      };
    },
    services: () => services,
  };
}
