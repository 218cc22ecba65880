// The agent's pod network against a real kernel and real iptables: FORWARD policy DROP, the world behind the node, other people's plugins.
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { createPodNetwork } from '../../agent/network/network.ts';
import {
  arePodTrafficRulesInPlace,
  ensurePodTrafficRules,
  keepPodTrafficRules,
  removePodTrafficRules,
} from '../../agent/network/traffic.ts';
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
const traffic = { podCidrs: ['10.88.1.0/24'], clusterCidrs: ['10.88.0.0/16'], hostPorts: [] };

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
  await removePodTrafficRules();
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
  await ensurePodTrafficRules(traffic);
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
  await ensurePodTrafficRules(traffic);
  await pod(0).exec('busybox', 'ping', '-c1', '-W3', '192.168.77.1');
});

/** Runs `work` where `iptables` is the one of that backend. */
async function withBackend(backend: 'nft' | 'legacy', work: () => Promise<void>): Promise<void> {
  const programs = join(directory, backend);
  await mkdir(programs, { recursive: true });
  for (const name of ['iptables', 'ip6tables']) {
    for (const suffix of ['', '-save', '-restore']) {
      await symlink(`/usr/sbin/${name}-${backend}${suffix}`, join(programs, `${name}${suffix}`));
    }
  }
  const before = process.env['PATH'];
  process.env['PATH'] = `${programs}:${before}`;
  try {
    await work();
  } finally {
    await removePodTrafficRules();
    process.env['PATH'] = before;
  }
}

for (const backend of ['nft', 'legacy'] as const) {
  test(`flushed rules come back (${backend})`, () =>
    withBackend(backend, async () => {
      const hostPorts = [
        { pod: 'a/b', protocol: 'tcp', hostIp: '', hostPort: 80, podIp: '10.88.1.2', containerPort: 8080 },
      ] as const;
      const all = { podCidrs: ['10.88.1.0/24', 'fd88:1::/64'], clusterCidrs: ['10.88.0.0/16', 'fd88::/16'], hostPorts };
      const saved = async () =>
        (await run('iptables-save', [])).stdout
          .split('\n')
          .filter((line) => /NODELET/.test(line))
          .toSorted();
      await ensurePodTrafficRules(all);
      const before = await saved();
      for (const table of ['filter', 'nat']) await iptables('-t', table, '-F');
      assert.equal(await arePodTrafficRulesInPlace(all), false);
      const stop = new AbortController();
      const keeping = keepPodTrafficRules(() => all, { clock: systemClock, log: silentLog }, stop.signal);
      for (let tries = 0; tries < 100 && !(await arePodTrafficRulesInPlace(all)); tries++) await systemClock.sleep(50);
      stop.abort();
      await keeping;
      assert.deepEqual(await saved(), before);
    }));
}

test('rules are put once however often they are ensured, and removing them leaves others', async () => {
  await iptables('-t', 'nat', '-N', 'FOREIGN');
  await ensurePodTrafficRules(traffic);
  const once = (await run('iptables-save', [])).stdout.replace(/^#.*$|\[\d+:\d+\]/gm, '');
  await ensurePodTrafficRules(traffic);
  assert.equal((await run('iptables-save', [])).stdout.replace(/^#.*$|\[\d+:\d+\]/gm, ''), once);
  await removePodTrafficRules();
  const after = (await run('iptables-save', [])).stdout;
  assert.doesNotMatch(after, /nodelet/i);
  assert.match(after, /FOREIGN/);
  await iptables('-t', 'nat', '-X', 'FOREIGN');
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
