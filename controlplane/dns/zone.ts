// Records by name, replaced owner by owner: an owner is the object that a set of records comes from.
import type { Clock } from '../../host/clock.ts';
import type { DnsRecord, Zone } from './model.ts';
import { startOfAuthority } from './rules/authority.ts';

export interface WritableZone extends Zone {
  /** Replaces all that `owner` said before. `names` exist although they may own no record. */
  put(owner: string, records: readonly DnsRecord[], names?: readonly string[]): void;
  remove(owner: string): void;
  /** Changes with every change: what was made from an older one is stale. */
  generation(): number;
}

interface Entry {
  readonly byOwner: Map<string, DnsRecord[]>;
  /** How many owners and names below keep it. */
  holders: number;
  /** All owners' records as one list. */
  all: readonly DnsRecord[];
}

export function createZone(domain: string, clock: Pick<Clock, 'now'>): WritableZone {
  const entries = new Map<string, Entry>();
  const owned = new Map<string, readonly string[]>();
  const authorities = new Map<string, DnsRecord>();
  let serial = Math.floor(clock.now() / 1000);
  let generation = 0;

  function hold(name: string): Entry {
    const entry = entries.get(name) ?? { byOwner: new Map<string, DnsRecord[]>(), holders: 0, all: [] };
    entry.holders++;
    entries.set(name, entry);
    return entry;
  }

  function letGo(name: string): void {
    const entry = entries.get(name);
    if (entry && --entry.holders === 0) entries.delete(name);
  }

  function drop(owner: string): void {
    for (const name of owned.get(owner) ?? []) {
      const entry = entries.get(name);
      if (entry?.byOwner.delete(owner)) entry.all = [...entry.byOwner.values()].flat();
      letGo(name);
      for (const parent of parents(name, domain)) letGo(parent);
    }
    owned.delete(owner);
  }

  function changed(): void {
    serial = Math.floor(clock.now() / 1000);
    authorities.clear();
    generation++;
  }

  return {
    domain,
    find: (name) => entries.get(name)?.all,
    authority(origin) {
      const record = authorities.get(origin) ?? startOfAuthority(domain, origin, serial);
      authorities.set(origin, record);
      return record;
    },
    generation: () => generation,
    put(owner, records, names = []) {
      drop(owner);
      const byName = new Map<string, DnsRecord[]>(names.map((name) => [name, []]));
      for (const record of records) {
        const known = byName.get(record.name);
        if (known) known.push(record);
        else byName.set(record.name, [record]);
      }
      for (const [name, list] of byName) {
        const entry = hold(name);
        if (list.length > 0) entry.all = [...entry.byOwner.set(owner, list).values()].flat();
        for (const parent of parents(name, domain)) hold(parent);
      }
      owned.set(owner, [...byName.keys()]);
      changed();
    },
    remove(owner) {
      if (!owned.has(owner)) return;
      drop(owner);
      changed();
    },
  };
}

/** The names between a name and its zone: they exist because something below them does. */
function parents(name: string, domain: string): string[] {
  if (!name.endsWith(`.${domain}`)) return [];
  const labels = name.slice(0, -domain.length - 1).split('.');
  return labels.slice(1).map((_, at) => `${labels.slice(at + 1).join('.')}.${domain}`);
}
