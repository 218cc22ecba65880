// A small network for packet tests: the suite's namespace is the node; pods hang on its bridge, another node is one hop
// away, the world is behind eth0. Each host is a peer that serves and asks.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from '../../host/commands.ts';
import type { PeerOrder } from './peer.ts';

export interface AskOptions {
  readonly protocol?: 'tcp' | 'udp';
  readonly timeoutMs?: number;
  readonly sourcePort?: number;
  readonly sourceIp?: string;
}

export interface Host {
  readonly name: string;
  serve(protocol: 'tcp' | 'udp', port: number): Promise<void>;
  /** "pod-a 10.244.1.11" (who answered, and whom it saw), an error code, or "timeout". */
  ask(ip: string, port: number, options?: AskOptions): Promise<string>;
  /** Runs a program in the host's namespace. */
  run(file: string, args: readonly string[]): Promise<string>;
}

export interface TestNet {
  readonly node: Host;
  readonly world: Host;
  readonly podA: Host;
  readonly podB: Host;
  readonly remote: Host;
  remove(): Promise<void>;
}

/** Addresses of the test network, by host. */
export const addresses = {
  node: { 4: '192.168.77.2', 6: 'fd77::2' },
  bridge: { 4: '10.244.1.1', 6: 'fd00:10:244:1::1' },
  world: { 4: '192.168.77.1', 6: 'fd77::1' },
  podA: { 4: '10.244.1.10', 6: 'fd00:10:244:1::a' },
  podB: { 4: '10.244.1.11', 6: 'fd00:10:244:1::b' },
  remote: { 4: '10.244.2.10', 6: 'fd00:10:244:2::a' },
} as const;

const answerMs = 20_000;

function createHost(name: string, namespace: string | undefined): Host & { stop(): void } {
  const enter = namespace ? ['nsenter', `--net=/run/netns/${namespace}`] : [];
  const [file = '', ...args] = [...enter, process.execPath, join(import.meta.dirname, 'peer.ts'), name];
  const child: ChildProcess = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = new Map<number, (answer: string) => void>();
  let next = 0;
  if (child.stdout)
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, answer } = JSON.parse(line) as { id: number; answer: string };
      waiting.get(id)?.(answer);
      waiting.delete(id);
    });
  const order = (what: PeerOrder): Promise<string> => {
    const id = next++;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timer = setTimeout(() => reject(new Error(`${name} does not answer`)), answerMs);
    waiting.set(id, (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    child.stdin?.write(`${JSON.stringify({ id, order: what })}\n`);
    return promise;
  };
  return {
    name,
    async serve(protocol, port) {
      const answer = await order({ do: 'serve', protocol, port });
      if (answer !== 'serving') throw new Error(`${name} cannot serve ${protocol} ${port}: ${answer}`);
    },
    ask: (ip, port, { protocol = 'tcp', timeoutMs = 1500, ...source } = {}) =>
      order({ do: 'ask', protocol, ip, port, timeoutMs, ...source }),
    async run(program, words) {
      const [first = '', ...rest] = [...enter, program, ...words];
      return (await run(first, rest)).stdout;
    },
    stop: () => void child.kill('SIGKILL'),
  };
}

async function sysctl(namespace: string, path: string, value: string): Promise<void> {
  await run('nsenter', [`--net=/run/netns/${namespace}`, 'sh', '-c', `echo ${value} > /proc/sys/net/${path}`]);
}

/** Builds the network inside the suite's own machine. */
export async function createTestNet(): Promise<TestNet> {
  const world = process.env['NODELET_TEST_WORLD_NETNS'];
  if (!world) throw new Error('Packet tests run by test/run.ts only');
  const id = `nlp-${randomBytes(3).toString('hex')}`;
  const spaces = { podA: `${id}-a`, podB: `${id}-b`, remote: `${id}-r`, otherNode: `${id}-n` };
  const undo: (() => Promise<unknown>)[] = [];
  const ip = (namespace: string | undefined, lines: string): Promise<unknown> =>
    run('ip', [...(namespace ? ['-n', namespace] : []), '-batch', '-'], { input: `${lines}\n` });
  for (const name of Object.values(spaces)) {
    await run('ip', ['netns', 'add', name]);
    undo.push(() => run('ip', ['netns', 'delete', name]));
    await sysctl(name, 'ipv6/conf/default/accept_dad', '0');
  }
  // Links made from here on have their IPv6 addresses at once.
  await writeFile('/proc/sys/net/ipv6/conf/default/accept_dad', '0');
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
  await writeFile('/proc/sys/net/ipv4/conf/all/route_localnet', '1');
  // Refusals are many here, and each of them is waited for.
  await writeFile('/proc/sys/net/ipv4/icmp_ratelimit', '0');
  await writeFile('/proc/sys/net/ipv6/icmp/ratelimit', '0');
  await writeFile('/proc/sys/net/ipv6/conf/all/forwarding', '1');
  await ip(
    undefined,
    `link add br0 type bridge
link set br0 up
addr add ${addresses.bridge[4]}/24 dev br0
addr add ${addresses.bridge[6]}/64 dev br0 nodad
link add uplink type veth peer name eth0 netns ${spaces.otherNode}
addr add 172.16.0.1/24 dev uplink
addr add fd16::1/64 dev uplink nodad
link set uplink up
link add podA type veth peer name eth0 netns ${spaces.podA}
link add podB type veth peer name eth0 netns ${spaces.podB}
link set podA master br0 up
link set podB master br0 up
link set podA type bridge_slave hairpin on
link set podB type bridge_slave hairpin on`,
  );
  for (const pod of ['podA', 'podB'] as const)
    await ip(
      spaces[pod],
      `link set lo up
addr add ${addresses[pod][4]}/24 dev eth0
addr add ${addresses[pod][6]}/64 dev eth0 nodad
link set eth0 up
route add default via ${addresses.bridge[4]}
route add ::/0 via ${addresses.bridge[6]}`,
    );
  await ip(
    spaces.otherNode,
    `link set lo up
addr add 172.16.0.2/24 dev eth0
addr add fd16::2/64 dev eth0 nodad
link set eth0 up
route add default via 172.16.0.1
route add ::/0 via fd16::1
link add pod type veth peer name eth0 netns ${spaces.remote}
addr add 10.244.2.1/24 dev pod
addr add fd00:10:244:2::1/64 dev pod nodad
link set pod up`,
  );
  for (const path of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) await sysctl(spaces.otherNode, path, '1');
  await ip(
    spaces.remote,
    `link set lo up
addr add ${addresses.remote[4]}/24 dev eth0
addr add ${addresses.remote[6]}/64 dev eth0 nodad
link set eth0 up
route add default via 10.244.2.1
route add ::/0 via fd00:10:244:2::1`,
  );
  await ip(undefined, 'route add 10.244.2.0/24 via 172.16.0.2\nroute add fd00:10:244:2::/64 via fd16::2');
  // The world sends to clusterIPs, external addresses and pods through the node, as a router in front of it would.
  await ip(world, 'route add default via 192.168.77.2\nroute add ::/0 via fd77::2');
  const hosts = {
    node: createHost('node', undefined),
    world: createHost('world', world),
    podA: createHost('podA', spaces.podA),
    podB: createHost('podB', spaces.podB),
    remote: createHost('remote', spaces.remote),
  };
  return {
    ...hosts,
    async remove() {
      for (const host of Object.values(hosts)) host.stop();
      for (const step of undo.reverse()) await step();
    },
  };
}
