// Keeps the node's rules for pod traffic where they belong, puts them back when somebody flushes them, and takes them away.
import { readFile, writeFile } from 'node:fs/promises';
import type { Clock } from '../../host/clock.ts';
import { CommandError, run } from '../../host/commands.ts';
import { type Backend, createIptables, detectBackend, type Iptables } from '../../host/iptables.ts';
import type { Log } from '../../host/log.ts';
import {
  CHAINS,
  type Chain,
  type HostPort,
  hasJump,
  jump,
  type PodTraffic,
  renderChains,
  trafficChains,
} from './rules/traffic.ts';

const FAMILIES = [4, 6] as const;
const LOOK_EVERY_MS = 5000;

export interface PodTrafficOptions {
  readonly backend: Backend;
  /** Undefined while the node has no pod CIDR yet. */
  readonly cidrs: () => Omit<PodTraffic, 'hostPorts'> | undefined;
  readonly hostPorts: () => Promise<readonly HostPort[]>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface PodTrafficRules {
  /** Makes the rules what they should be, now. Repeatable. Throws `CommandError` where iptables refuses. */
  ensure(signal?: AbortSignal): Promise<void>;
  /** Whether chains and jumps are there. */
  areInPlace(signal?: AbortSignal): Promise<boolean>;
  /** Looks every few seconds until `signal` ends, and puts back what is missing. */
  keep(signal: AbortSignal): Promise<void>;
}

export function createPodTrafficRules({ backend, cidrs, hostPorts, clock, log }: PodTrafficOptions): PodTrafficRules {
  const tools = FAMILIES.map((family) => createIptables(family, backend));
  let turn: Promise<unknown> = Promise.resolve();

  async function current(): Promise<PodTraffic | undefined> {
    const known = cidrs();
    return known && { ...known, hostPorts: await hostPorts() };
  }

  async function ensureNow(signal?: AbortSignal): Promise<void> {
    const traffic = await current();
    if (!traffic) return;
    await ensureForwarding(traffic);
    for (const iptables of tools) await ensureChains(iptables, trafficChains(traffic, iptables.family), signal);
  }

  async function areInPlace(signal?: AbortSignal): Promise<boolean> {
    const traffic = await current();
    if (!traffic) return true;
    for (const iptables of tools) {
      for (const chain of trafficChains(traffic, iptables.family)) {
        if (!(await isInPlace(iptables, chain, signal))) return false;
      }
    }
    return true;
  }

  /** One at a time: the later text is the newer truth. */
  function ensure(signal?: AbortSignal): Promise<void> {
    const mine = turn.then(() => ensureNow(signal));
    turn = mine.catch(() => undefined);
    return mine;
  }

  return {
    ensure,
    areInPlace,
    async keep(signal) {
      while (!signal.aborted) {
        try {
          if (!(await areInPlace(signal))) {
            await ensure(signal);
            log.info('Pod traffic rules put in place');
          }
        } catch (err) {
          if (!signal.aborted) log.error({ err }, 'Pod traffic rules could not be ensured');
        }
        await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
      }
    },
  };
}

/** Our chains as a whole, and the jumps that are missing, in one transaction per table. */
async function ensureChains(iptables: Iptables, chains: readonly Chain[], signal?: AbortSignal): Promise<void> {
  if (chains.length === 0) return;
  const missing = new Set<string>();
  for (const { table, name, from } of chains) {
    for (const { chain } of from) {
      if (!hasJump(await iptables.rules(table, chain, signal), name)) missing.add(`${chain} ${name}`);
    }
  }
  const text = renderChains(chains, ({ name }, from) => missing.has(`${from} ${name}`));
  await iptables.restore(text, signal);
}

/** A flush by a stranger empties chains or takes jumps; that somebody edits single rules of ours is not expected. */
async function isInPlace(
  iptables: Iptables,
  { table, name, rules, from }: Chain,
  signal?: AbortSignal,
): Promise<boolean> {
  const there = await iptables.rules(table, name, signal);
  if (there?.length !== rules.length) return false;
  for (const { chain } of from) {
    if (!hasJump(await iptables.rules(table, chain, signal), name)) return false;
  }
  return true;
}

/** Takes all rules of pod traffic away, whatever they were. Nothing of others is touched. Repeatable. */
export async function removePodTrafficRules(from?: Backend, signal?: AbortSignal): Promise<void> {
  const backend = from ?? (await detectBackend(signal));
  const local = ['-m', 'addrtype', '--dst-type', 'LOCAL'];
  const jumps = [
    { table: 'filter', from: 'FORWARD', name: CHAINS.forward, match: [] },
    { table: 'nat', from: 'POSTROUTING', name: CHAINS.masquerade, match: [] },
    { table: 'nat', from: 'PREROUTING', name: CHAINS.hostPorts, match: local },
    { table: 'nat', from: 'OUTPUT', name: CHAINS.hostPorts, match: local },
  ];
  for (const family of FAMILIES) {
    const iptables = createIptables(family, backend);
    const without = async (...args: readonly string[]): Promise<void> => {
      // Refused: it was not there.
      await iptables.command(args, signal).catch(unlessRefused);
    };
    for (const { table, from, name, match } of jumps) await without('-t', table, '-D', from, ...jump(name, match));
    for (const { table, name } of jumps) {
      await without('-t', table, '-F', name);
      await without('-t', table, '-X', name);
    }
  }
}

function unlessRefused(error: unknown): void {
  if (!(error instanceof CommandError && error.reason === 'Failed')) throw error;
}

/** UDP has no end: flows that were tracked before a port led to this pod would go on to where they went. */
export async function forgetUdpFlows(ports: readonly HostPort[]): Promise<void> {
  const numbers = new Set(ports.filter(({ protocol }) => protocol === 'udp').map(({ hostPort }) => String(hostPort)));
  // conntrack ends with 1 where there is no such flow, and may not be installed: the flows then end by their timeout.
  for (const port of numbers) await run('conntrack', ['-D', '-p', 'udp', '--dport', port]).catch(() => undefined);
}

/** Packets between pods are routed, and those that only cross the bridge are shown to iptables: services need both. */
async function ensureForwarding({ clusterCidrs }: PodTraffic): Promise<void> {
  await writeSysctl('ipv4/ip_forward');
  if (clusterCidrs.some((cidr) => cidr.includes(':'))) await writeSysctl('ipv6/conf/all/forwarding');
  if (await writeSysctl('bridge/bridge-nf-call-iptables')) return;
  // Where the kernel has it as a module. Without it only services between pods of one node suffer.
  await run('modprobe', ['br_netfilter']).catch(() => undefined);
  await writeSysctl('bridge/bridge-nf-call-iptables');
}

/** False where the kernel has no such setting. */
async function writeSysctl(name: string): Promise<boolean> {
  const path = `/proc/sys/net/${name}`;
  try {
    if ((await readFile(path, 'utf8')).trim() !== '1') await writeFile(path, '1');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
