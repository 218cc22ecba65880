// The agent's pod network against a real kernel and real iptables: FORWARD policy DROP, the world behind the node, other people's plugins.
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { createPodNetwork } from '../../agent/network/network.ts';
import { ensureRoutes, removeRoutes } from '../../agent/network/routes.ts';
import { createPodTrafficRules, forgetUdpFlows, removePodTrafficRules } from '../../agent/network/traffic.ts';
import { runBridge } from '../../cni/bridge.ts';
import { systemClock } from '../../host/clock.ts';
import { run } from '../../host/commands.ts';
import { ipBatch, removeLink } from '../../host/links.ts';
import { silentLog } from '../../host/log.ts';
import type { Pod } from '../../kube/types.ts';
import { ask, createNetnsPod, type NetnsPod, serveIn, whoAmI } from '../rig/netns-pod.ts';

const directory = process.env['NODELET_TEST_DIR'] ?? '';
const world = `/run/netns/${process.env['NODELET_TEST_WORLD_NETNS']}`;
const confDir = join(directory, 'net.d');
const binDir = join(directory, 'bin');
const stateDir = join(directory, 'network');
const BRIDGE = 'br-net';
const signal = new AbortController().signal;

const network = {
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [
    {
      type: 'nodelet-bridge',
      bridge: BRIDGE,
      isDefaultGateway: true,
      hairpinMode: true,
      capabilities: { ipRanges: true },
      ipam: { dataDir: join(directory, 'leases') },
    },
  ],
};

const trafficRules = (options: Partial<Parameters<typeof createPodTrafficRules>[0]> = {}) =>
  createPodTrafficRules({
    backend: 'nft',
    cidrs: () => ({ podCidrs: ['10.88.1.0/24'], clusterCidrs: ['10.88.0.0/16'] }),
    hostPorts: async () => [],
    clock: systemClock,
    log: silentLog,
    ...options,
  });

const agent = () =>
  createPodNetwork({ confDir, binDir, stateDir, podCidr: () => '10.88.1.0/24', bridge: runBridge, log: silentLog });
const podNamed = (name: string, spec: Partial<Pod['spec']> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'test', uid: `uid-${name}` },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});

const pods: NetnsPod[] = [];
const pod = (at: number): NetnsPod => pods[at] ?? assert.fail(`no pod ${at}`);
const iptables = (...args: string[]) => run('iptables', ['-w', '5', ...args]);

before(async () => {
  await mkdir(confDir);
  await mkdir(binDir);
  for (let at = 0; at < 2; at++) pods.push(await createNetnsPod());
  await iptables('-P', 'FORWARD', 'DROP');
});

afterEach(async () => {
  const it = agent();
  for (const id of await it.attached()) await it.detach(id, signal);
  await removePodTrafficRules('nft');
  for (const name of await readdir(confDir)) await rm(join(confDir, name));
});

after(async () => {
  await Promise.all(pods.map((each) => each.remove()));
  await removeLink(BRIDGE);
});

async function attachBoth(): Promise<readonly string[]> {
  await writeFile(join(confDir, '10-test.conflist'), JSON.stringify(network));
  const it = agent();
  const ips: string[] = [];
  for (const [at, { pid }] of pods.entries()) {
    ips.push(...(await it.attach({ id: `sandbox-${at}`, pid }, podNamed(`p${at}`), signal)));
  }
  return ips;
}

test('the network is not ready until a configuration is there, and follows the first file by name', async () => {
  const it = agent();
  assert.equal(it.notReady(), 'cni config uninitialized');
  await assert.rejects(it.attach({ id: 's', pid: pod(0).pid }, podNamed('p'), signal), /cni config uninitialized/);
  await writeFile(join(confDir, '05-broken.conf'), '{"name": ');
  assert.equal(it.notReady(), 'cni config uninitialized');
  await writeFile(join(confDir, '10-test.conflist'), JSON.stringify(network));
  assert.equal(it.notReady(), undefined);
});

test('pods are routed though the policy of FORWARD is DROP: with each other, and masqueraded to the world', async () => {
  const [first = '', second = ''] = await attachBoth();
  await pod(1).serve(...whoAmI(8080));
  await trafficRules().ensure();
  const server = await serveIn(world, ...whoAmI(9090));
  try {
    assert.match(await pod(0).exec(...ask(second, 8080)), new RegExp(`${first}$`));
    assert.match((await run(process.execPath, ask(second, 8080).slice(1))).stdout, /10\.88\.1\.1$/m);
    assert.match(await pod(0).exec(...ask('192.168.77.1', 9090)), /192\.168\.77\.2$/);
  } finally {
    await server.stop();
  }
});

test('without our rules nothing leaves: the rules are what does it', async () => {
  await attachBoth();
  await assert.rejects(pod(0).exec('busybox', 'ping', '-c1', '-W1', '192.168.77.1'));
  await trafficRules().ensure();
  await pod(0).exec('busybox', 'ping', '-c1', '-W3', '192.168.77.1');
});

for (const backend of ['nft', 'legacy'] as const) {
  test(`flushed rules come back (${backend})`, async () => {
    const hostPorts = [
      { pod: 'a/b', protocol: 'tcp', hostIp: '', hostPort: 80, podIp: '10.88.1.2', containerPort: 8080 },
    ] as const;
    const cidrs = { podCidrs: ['10.88.1.0/24', 'fd88:1::/64'], clusterCidrs: ['10.88.0.0/16', 'fd88::/16'] };
    const rules = trafficRules({ backend, cidrs: () => cidrs, hostPorts: async () => hostPorts });
    const saved = async () =>
      (await run(`iptables-${backend}-save`, [])).stdout
        .split('\n')
        .filter((line) => /NODELET/.test(line))
        .toSorted();
    await rules.ensure();
    const before = await saved();
    for (const table of ['filter', 'nat']) await run(`iptables-${backend}`, ['-w', '5', '-t', table, '-F']);
    assert.equal(await rules.areInPlace(), false);
    const stop = new AbortController();
    const keeping = rules.keep(stop.signal);
    for (let tries = 0; tries < 100 && !(await rules.areInPlace()); tries++) await systemClock.sleep(50);
    stop.abort();
    await keeping;
    assert.deepEqual(await saved(), before);
    await removePodTrafficRules(backend);
    assert.deepEqual(await saved(), []);
  });
}

test('rules are put once however often they are ensured, and removing them leaves others', async () => {
  await iptables('-t', 'nat', '-N', 'FOREIGN');
  await trafficRules().ensure();
  const once = (await run('iptables-save', [])).stdout.replace(/^#.*$|\[\d+:\d+\]/gm, '');
  await trafficRules().ensure();
  assert.equal((await run('iptables-save', [])).stdout.replace(/^#.*$|\[\d+:\d+\]/gm, ''), once);
  await removePodTrafficRules('nft');
  const after = (await run('iptables-save', [])).stdout;
  assert.doesNotMatch(after, /nodelet/i);
  assert.match(after, /FOREIGN/);
  await iptables('-t', 'nat', '-X', 'FOREIGN');
});

test('a host port leads to its pod: from the world, from the node, on loopback, and from the pod itself', async () => {
  await writeFile(join(confDir, '10-test.conflist'), JSON.stringify(network));
  await run('sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet']);
  const it = createPodNetwork({
    ...{ confDir, binDir, stateDir, podCidr: () => '10.88.1.0/24', bridge: runBridge, log: silentLog },
    hostPortsChanged: async (added) => {
      await rules.ensure();
      await forgetUdpFlows(added);
    },
  });
  const rules = trafficRules({ hostPorts: () => it.hostPorts() });
  const ports = (hostIP: string) => ({
    containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 8081, hostPort: 54321, hostIP }] }],
  });
  for (const at of [0, 1]) await pod(at).serve(...whoAmI(8081));
  await it.attach({ id: 'on-node-ip', pid: pod(0).pid }, podNamed('p0', ports('192.168.77.2')), signal);
  await it.attach({ id: 'on-loopback', pid: pod(1).pid }, podNamed('p1', ports('127.0.0.1')), signal);
  const fromNode = async (ip: string) =>
    (await run('nsenter', ['--net=/proc/self/ns/net', ...ask(ip, 54321)])).stdout.trim();
  const fromWorld = (ip: string) => run('nsenter', [`--net=${world}`, '--', ...ask(ip, 54321)]);
  assert.match((await fromWorld('192.168.77.2')).stdout, /192\.168\.77\.1$/m);
  assert.match(await fromNode('192.168.77.2'), /\d$/);
  assert.match(await fromNode('127.0.0.1'), /10\.88\.1\.1$/);
  assert.match(await pod(0).exec(...ask('192.168.77.2', 54321)), /10\.88\.1\.1$/);
  assert.match(await pod(1).exec(...ask('192.168.77.2', 54321)), /10\.88\.1\.\d+$/);
  // A new process knows the ports of the pods that were there before it.
  assert.equal((await agent().hostPorts()).length, 2);
  await it.detach('on-node-ip', signal);
  await assert.rejects(fromWorld('192.168.77.2'));
  assert.match(await fromNode('127.0.0.1'), /\d$/);
  await it.detach('on-loopback', signal);
  await assert.rejects(fromNode('127.0.0.1'));
  assert.deepEqual(await it.hostPorts(), []);
});

test('addresses outlive the agent, attach is repeatable, detach works when the sandbox is gone', async () => {
  await writeFile(join(confDir, '10-test.conflist'), JSON.stringify(network));
  const gone = await createNetnsPod();
  const sandbox = { id: 'sandbox-x', pid: gone.pid };
  const ips = await agent().attach(sandbox, podNamed('x'), signal);
  assert.deepEqual(await agent().addresses('sandbox-x'), ips);
  assert.deepEqual(await agent().attach(sandbox, podNamed('x'), signal), ips);
  await gone.remove();
  const next = agent();
  assert.deepEqual(await next.attached(), ['sandbox-x']);
  await next.detach('sandbox-x', signal);
  await next.detach('sandbox-x', signal);
  assert.deepEqual([await next.attached(), await next.addresses('sandbox-x')], [[], []]);
  const [links = []] = await ipBatch(['address show']);
  assert.deepEqual(
    links.filter(({ ifname }) => /^veth[a-z0-9]{11}$/.test(ifname)),
    [],
  );
});

test('what was lost with its record is collected, what has one is kept', async () => {
  await attachBoth();
  await rm(join(stateDir, 'sandbox-0.json'));
  await agent().collect(signal);
  const leases = await readdir(join(directory, 'leases', 'pods'));
  assert.deepEqual(
    leases.filter((name) => name.startsWith('veth')).map((name) => name.split('@')[3]),
    ['sandbox-1'],
  );
});

/** A plugin in sh that writes down what it was told and passes the result on. */
async function plugin(name: string, body: string): Promise<void> {
  const path = join(binDir, name);
  await writeFile(
    path,
    `#!/bin/sh\ninput=$(cat)\nprintf '%s %s\\n' "$CNI_COMMAND" "$input" >> ${directory}/${name}.log\n${body}\n`,
  );
  await chmod(path, 0o755);
}

test('a chain runs forth and back, hands the result on, and gives each plugin only the capabilities that it declares', async () => {
  await plugin(
    'second',
    'if [ $CNI_COMMAND = ADD ]; then printf %s "$input" | sed \'s/.*"prevResult"://; s/}$//\'; fi',
  );
  const chained = {
    ...network,
    plugins: [...network.plugins, { type: 'second', capabilities: { portMappings: true } }],
  };
  await writeFile(join(confDir, '10-test.conflist'), JSON.stringify(chained));
  const it = agent();
  const withPort = podNamed('chain', {
    containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 8080 }] }],
  });
  const ips = await it.attach({ id: 'sandbox-c', pid: pod(0).pid }, withPort, signal);
  await it.detach('sandbox-c', signal);
  const { stdout } = await run('cat', [join(directory, 'second.log')]);
  const calls = stdout
    .trim()
    .split('\n')
    .map((line) => [line.slice(0, 3), JSON.parse(line.slice(4))] as const);
  assert.deepEqual(
    calls.map(([command]) => command),
    ['ADD', 'DEL'],
  );
  for (const [, input] of calls) {
    assert.deepEqual(input.runtimeConfig, {
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '' }],
    });
    assert.equal(input.prevResult.ips[0].address, `${ips[0]}/24`);
  }
});

test('a plugin that fails undoes the chain; one whose DEL fails stays attached until its DEL works', async () => {
  await plugin('second', 'echo \'{"code": 11, "msg": "no luck", "details": "today"}\'; exit 1');
  const chained = { ...network, plugins: [...network.plugins, { type: 'second' }] };
  await writeFile(join(confDir, '10-test.conflist'), JSON.stringify(chained));
  const it = agent();
  await assert.rejects(it.attach({ id: 'sandbox-f', pid: pod(0).pid }, podNamed('f'), signal), {
    message: 'networkPlugin cni failed to set up pod "f_test" network: plugin type="second" failed: no luck; today',
  });
  assert.deepEqual(await it.attached(), ['sandbox-f']);
  await assert.rejects(it.detach('sandbox-f', signal));
  await plugin('second', '');
  await it.detach('sandbox-f', signal);
  assert.deepEqual(await it.attached(), []);
});

test('routes lead to the pods of other nodes, follow them, and leave those of others alone', async () => {
  const node = (name: string, ...addresses: string[]) => ({
    node: name,
    podCidrs: [`10.88.${name}.0/24`, `fd88:${name}::/64`],
    addresses,
  });
  const ours = async () => {
    const lines = ['-4', '-6'].map((family) => run('ip', [family, 'route', 'show', 'proto', '78']));
    return (await Promise.all(lines)).flatMap(({ stdout }) =>
      stdout.split('\n').flatMap((line) => /^\S+ via \S+/.exec(line)?.[0] ?? []),
    );
  };
  await run('ip', ['route', 'add', '10.88.200.0/24', 'via', '192.168.77.9']);
  await ensureRoutes(
    [node('7', '192.168.77.7', 'fd77::7'), node('9', '203.0.113.9'), node('8', '192.168.77.8')],
    silentLog,
  );
  assert.deepEqual(await ours(), [
    '10.88.7.0/24 via 192.168.77.7',
    '10.88.8.0/24 via 192.168.77.8',
    'fd88:7::/64 via fd77::7',
  ]);
  await ensureRoutes([node('7', '192.168.77.70'), node('8', '192.168.77.8')], silentLog);
  assert.deepEqual(await ours(), ['10.88.7.0/24 via 192.168.77.70', '10.88.8.0/24 via 192.168.77.8']);
  await removeRoutes(silentLog);
  assert.deepEqual(await ours(), []);
  assert.match((await run('ip', ['route'])).stdout, /^10\.88\.200\.0\/24 via 192\.168\.77\.9/m);
});
