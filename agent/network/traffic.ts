// Keeps the node's rules for pod traffic where they belong, puts them back when somebody flushes them, and takes them away.
import { readFile, writeFile } from 'node:fs/promises';
import type { Clock } from '../../host/clock.ts';
import { CommandError, run } from '../../host/commands.ts';
import type { Log } from '../../host/log.ts';
import {
  CHAINS,
  type Chain,
  type IpFamily,
  jump,
  type PodTraffic,
  renderChains,
  trafficChains,
} from './rules/traffic.ts';

const FAMILIES = [4, 6] as const;
const LOCK_SECONDS = '5';
const LOOK_EVERY_MS = 5000;

const program = (family: IpFamily): string => (family === 4 ? 'iptables' : 'ip6tables');

/** Makes chains and jumps what `traffic` says. Repeatable. Throws `CommandError` where iptables refuses. */
export async function ensurePodTrafficRules(traffic: PodTraffic, signal?: AbortSignal): Promise<void> {
  await ensureForwarding(traffic);
  for (const family of FAMILIES) {
    const chains = trafficChains(traffic, family);
    if (chains.length === 0) continue;
    const missing = new Set<string>();
    for (const chain of chains) {
      for (const { chain: from, match } of chain.from) {
        if (!(await succeeds(family, [chain.table, '-C', from, ...jump(chain, match)], signal))) {
          missing.add(`${chain.name} ${from}`);
        }
      }
    }
    const input = renderChains(chains, ({ name }, from) => missing.has(`${name} ${from}`));
    const args = ['--noflush', '-w', LOCK_SECONDS];
    await run(`${program(family)}-restore`, args, { input, ...(signal ? { signal } : {}) });
  }
}

/** Whether all is in place. A stranger's flush empties chains or takes jumps; single rules of ours are nobody else's business. */
export async function arePodTrafficRulesInPlace(traffic: PodTraffic, signal?: AbortSignal): Promise<boolean> {
  for (const family of FAMILIES) {
    for (const chain of trafficChains(traffic, family)) {
      if ((await countRules(family, chain, signal)) !== chain.rules.length) return false;
      for (const { chain: from, match } of chain.from) {
        if (!(await succeeds(family, [chain.table, '-C', from, ...jump(chain, match)], signal))) return false;
      }
    }
  }
  return true;
}

/** Takes all rules of pod traffic away, whatever they were. Nothing of others is touched. */
export async function removePodTrafficRules(signal?: AbortSignal): Promise<void> {
  const local = ['-m', 'addrtype', '--dst-type', 'LOCAL'];
  const jumps = [
    ['filter', 'FORWARD', CHAINS.forward, []],
    ['nat', 'POSTROUTING', CHAINS.masquerade, []],
    ['nat', 'PREROUTING', CHAINS.hostPorts, local],
    ['nat', 'OUTPUT', CHAINS.hostPorts, local],
  ] as const;
  for (const family of FAMILIES) {
    for (const [table, from, name, match] of jumps) {
      await succeeds(family, [table, '-D', from, ...jump({ name }, match)], signal);
    }
    for (const [table, , name] of jumps) {
      await succeeds(family, [table, '-F', name], signal);
      await succeeds(family, [table, '-X', name], signal);
    }
  }
}

/**
 * Looks every few seconds until `signal` ends, and puts back what is missing. `current` is asked each time: it may be undefined
 * while the node has no pod CIDR yet.
 */
export async function keepPodTrafficRules(
  current: () => PodTraffic | undefined,
  { clock, log }: { clock: Clock; log: Log },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const traffic = current();
    try {
      if (traffic && !(await arePodTrafficRulesInPlace(traffic, signal))) {
        await ensurePodTrafficRules(traffic, signal);
        log.info({ podCidrs: traffic.podCidrs, hostPorts: traffic.hostPorts.length }, 'Pod traffic rules put in place');
      }
    } catch (err) {
      if (!signal.aborted) log.error({ err }, 'Pod traffic rules could not be ensured');
    }
    await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
  }
}

/** Runs `iptables -t table …`; a refusal is an answer, a program that is not there or hangs is an error. */
async function succeeds(
  family: IpFamily,
  [table = '', ...args]: readonly string[],
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    await run(program(family), ['-w', LOCK_SECONDS, '-t', table, ...args], signal ? { signal } : {});
    return true;
  } catch (error) {
    if (error instanceof CommandError && error.reason === 'Failed') return false;
    throw error;
  }
}

async function countRules(family: IpFamily, { table, name }: Chain, signal?: AbortSignal): Promise<number> {
  const args = ['-w', LOCK_SECONDS, '-t', table, '-S', name];
  try {
    const { stdout } = await run(program(family), args, signal ? { signal } : {});
    return stdout.split('\n').filter((line) => line.startsWith('-A ')).length;
  } catch (error) {
    if (error instanceof CommandError && error.reason === 'Failed') return -1;
    throw error;
  }
}

/** Packets between pods are routed, and those that only cross the bridge are shown to iptables: services need both. */
async function ensureForwarding({ clusterCidrs }: PodTraffic): Promise<void> {
  await writeSysctl('ipv4/ip_forward');
  if (clusterCidrs.some((cidr) => cidr.includes(':'))) await writeSysctl('ipv6/conf/all/forwarding');
  const bridged = await writeSysctl('bridge/bridge-nf-call-iptables');
  if (bridged) return;
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
