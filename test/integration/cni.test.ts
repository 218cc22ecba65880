// The bridge plugin against a real kernel: traffic, repetition, crashes, and nothing left behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { runBridge } from '../../cni/bridge.ts';
import { CniCode, type CniError } from '../../cni/model.ts';
import { run } from '../../host/commands.ts';
import { ipBatch, linkExists, removeLink } from '../../host/links.ts';
import { createNetnsPod, type NetnsPod } from '../rig/netns-pod.ts';

const directory = process.env['NODELET_TEST_DIR'] ?? '';
const bundle = join(directory, 'nodelet-bridge.cjs');
const root = join(import.meta.dirname, '../..');
const BRIDGE = 'br-cni';

const config = {
  cniVersion: '1.1.0',
  name: 'pods',
  type: 'nodelet-bridge',
  bridge: BRIDGE,
  isDefaultGateway: true,
  hairpinMode: true,
  mtu: 1450,
  ipam: { ranges: [[{ subnet: '10.77.0.0/24' }], [{ subnet: 'fd77:1::/64' }]], dataDir: join(directory, 'leases') },
};
const leaseDir = join(directory, 'leases', 'pods');
const leases = (): string[] => readdirSync(leaseDir).filter((name) => name.startsWith('veth'));

const pods: NetnsPod[] = [];
const pod = (at: number): NetnsPod => pods[at] ?? assert.fail(`no pod ${at}`);

function call(command: string, containerId: string, netns: string, extra: object = {}, args = '') {
  return runBridge({ command, containerId, netns, ifName: 'eth0', args, config: { ...config, ...extra } });
}

function ipsOf(result: unknown): string[] {
  return (result as { ips: { address: string }[] }).ips.map(({ address }) => address.split('/')[0] ?? '');
}

/** Host ends of cables: the names that we give begin so, and eth0's do not. */
async function cables(): Promise<string[]> {
  const [links = []] = await ipBatch(['address show']);
  return links.map(({ ifname }) => ifname).filter((name) => /^veth[a-z0-9]{11}$/.test(name));
}

/** The executable, as a runtime runs it. */
function start(command: string, containerId: string, netns: string, input: object | string) {
  const child = spawn(process.execPath, [bundle], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns,
      CNI_IFNAME: 'eth0',
      PATH: process.env['PATH'],
    },
  });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(typeof input === 'string' ? input : JSON.stringify(input));
  const ended = once(child, 'close').then(([code]) => ({ code, text: Buffer.concat(output).toString('utf8') }));
  return { child, ended };
}

async function execute(command: string, containerId: string, netns: string, input: object | string) {
  const { code, text } = await start(command, containerId, netns, input).ended;
  return { code, answer: text === '' ? undefined : JSON.parse(text) };
}

before(async () => {
  await build({
    entryPoints: [join(root, 'cni/main.ts')],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
  });
  for (let at = 0; at < 3; at++) pods.push(await createNetnsPod());
});

after(async () => {
  await Promise.all(pods.map((each) => each.remove()));
  await removeLink(BRIDGE);
});

test('two pods reach each other, themselves, the host, and the host reaches them, in both families', async () => {
  const first = ipsOf(await call('ADD', 'a', pod(0).netns));
  const second = ipsOf(await call('ADD', 'b', pod(1).netns));
  assert.deepEqual(
    [first, second],
    [
      ['10.77.0.2', 'fd77:1::2'],
      ['10.77.0.3', 'fd77:1::3'],
    ],
  );
  for (const target of [...second, ...first, '10.77.0.1', 'fd77:1::1', '192.168.77.2', '127.0.0.1']) {
    await pod(0).exec('busybox', 'ping', '-c1', '-W3', target);
  }
  for (const target of first) await run('busybox', ['ping', '-c1', '-W3', target]);
});

test('the answer tells what there is: interfaces, addresses, routes, MTU', async () => {
  const result = await call('ADD', 'a', pod(0).netns);
  const [[bridge] = [], [host] = []] = await ipBatch([`address show dev ${BRIDGE}`, 'address show type veth']);
  assert.deepEqual(result, {
    cniVersion: '1.1.0',
    interfaces: [
      { name: BRIDGE, mac: bridge?.address, mtu: 1450 },
      { name: host?.ifname === 'eth0' ? (await cables())[0] : host?.ifname, mac: macOfCable(result), mtu: 1450 },
      { name: 'eth0', mac: '0a:58:0a:4d:00:02', mtu: 1450, sandbox: pod(0).netns },
    ],
    ips: [
      { address: '10.77.0.2/24', gateway: '10.77.0.1', interface: 2 },
      { address: 'fd77:1::2/64', gateway: 'fd77:1::1', interface: 2 },
    ],
    routes: [
      { dst: '0.0.0.0/0', gw: '10.77.0.1' },
      { dst: '::/0', gw: 'fd77:1::1' },
    ],
    dns: {},
  });
});

function macOfCable(result: unknown): string {
  return (result as { interfaces: { mac: string }[] }).interfaces[1]?.mac ?? '';
}

test('ADD again answers the same and leaves the cable as it is; a broken cable is mended under the same addresses', async () => {
  const before = await call('ADD', 'a', pod(0).netns);
  assert.deepEqual(await call('ADD', 'a', pod(0).netns), before);
  await pod(0).exec('ip', 'address', 'flush', 'dev', 'eth0');
  const mended = await call('ADD', 'a', pod(0).netns);
  assert.deepEqual(ipsOf(mended), ipsOf(before));
  await pod(0).exec('busybox', 'ping', '-c1', '-W3', '10.77.0.3');
});

test('CHECK is silent while all is well and names what is not', async () => {
  const prevResult = await call('ADD', 'a', pod(0).netns);
  await call('CHECK', 'a', pod(0).netns, { prevResult });
  await pod(0).exec('ip', 'route', 'del', 'default');
  await assert.rejects(call('CHECK', 'a', pod(0).netns, { prevResult }), {
    code: CniCode.NotAsAdded,
    message: 'route to "0.0.0.0/0" via 10.77.0.1 is not there',
  });
  await assert.rejects(call('CHECK', 'unknown', pod(2).netns, { prevResult }), { code: CniCode.NotAsAdded });
  await assert.rejects(call('CHECK', 'a', pod(0).netns), { code: CniCode.InvalidConfig });
});

test('an interface that is there already fails the ADD and leaves neither lease nor cable', async () => {
  await pod(2).exec('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other');
  const cablesBefore = await cables();
  await assert.rejects(call('ADD', 'c', pod(2).netns), { code: CniCode.HostRefused });
  assert.deepEqual(await cables(), cablesBefore);
  assert.equal(
    leases().some((name) => name.endsWith('@c')),
    false,
  );
  await pod(2).exec('ip', 'link', 'del', 'eth0');
});

test('a namespace that is gone is error 3, the host’s own is error 4', async () => {
  await assert.rejects(call('ADD', 'd', '/proc/4194303/ns/net'), { code: CniCode.UnknownContainer });
  await assert.rejects(call('ADD', 'd', '/proc/self/ns/net'), { code: CniCode.InvalidEnvironment });
});

test('a static address is given once, and never the gateway’s', async () => {
  const got = await call('ADD', 'c', pod(2).netns, {}, 'IgnoreUnknown=1;IP=10.77.0.200');
  assert.deepEqual(ipsOf(got)[0], '10.77.0.200');
  await assert.rejects(call('ADD', 'x', pod(2).netns, { args: { cni: { ips: ['10.77.0.200/24'] } } }), {
    code: CniCode.TryAgainLater,
  });
  await assert.rejects(call('ADD', 'x', pod(2).netns, { runtimeConfig: { ips: ['10.77.0.1'] } }), {
    code: CniCode.InvalidConfig,
  });
  await call('DEL', 'c', pod(2).netns);
});

test('DEL works twice, without a namespace, and for containers that were never there', async () => {
  await call('DEL', 'a', pod(0).netns);
  await call('DEL', 'a', pod(0).netns);
  await call('DEL', 'b', '');
  await call('DEL', 'never', '/proc/4194303/ns/net');
  assert.deepEqual([leases(), await cables()], [[], []]);
});

test('the executable speaks the protocol: VERSION, ADD, DEL, and errors as JSON', async () => {
  assert.deepEqual(await execute('VERSION', '', '', { cniVersion: '0.4.0' }), {
    code: 0,
    answer: { cniVersion: '0.4.0', supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] },
  });
  const old = await execute('ADD', 'old', pod(0).netns, { ...config, cniVersion: '0.3.1' });
  assert.equal(old.code, 0);
  assert.equal(old.answer.ips[0].version, '4');
  assert.equal('mtu' in old.answer.interfaces[0], false);
  assert.deepEqual(await execute('DEL', 'old', pod(0).netns, config), { code: 0, answer: undefined });
  const wrong = await execute('ADD', 'old', pod(0).netns, { ...config, mtuu: 1 });
  assert.deepEqual([wrong.code, wrong.answer.code, /field "mtuu" is 1/.test(wrong.answer.msg)], [1, 7, true]);
  assert.equal((await execute('ADD', 'old', pod(0).netns, '{')).answer.code, CniCode.DecodingFailure);
  const ancient = await execute('ADD', 'old', pod(0).netns, { ...config, cniVersion: '0.1.0' });
  assert.equal(ancient.answer.code, CniCode.IncompatibleVersion);
});

test('an ADD killed at any moment leaves nothing that GC does not find, and can be done again', {
  timeout: 120_000,
}, async () => {
  for (let round = 0; round < 40; round++) {
    const { child, ended } = start('ADD', `killed-${round}`, pod(0).netns, config);
    // From before the first line runs until after the last.
    await sleep(round * 3);
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    await ended;
    if (round % 2 === 0) await call('ADD', `killed-${round}`, pod(0).netns).catch(onlyWhereOccupied);
    await call('GC', '', '', { 'cni.dev/valid-attachments': [] });
    assert.deepEqual([leases(), await cables()], [[], []], `after round ${round}`);
  }
});

/** The eth0 of the killed one goes with its cable: nothing may be in the way. */
function onlyWhereOccupied(error: CniError): void {
  assert.fail(`ADD after a kill: ${error.message}`);
}

test('GC keeps what the runtime counts as attached', async () => {
  await call('ADD', 'kept', pod(0).netns);
  await call('ADD', 'lost', pod(1).netns);
  await call('GC', '', '', { 'cni.dev/valid-attachments': [{ containerID: 'kept', ifname: 'eth0' }] });
  assert.deepEqual(
    leases().map((name) => name.split('@')[3]),
    ['kept'],
  );
  assert.equal((await cables()).length, 1);
  await call('DEL', 'kept', pod(0).netns);
});

test('ten executables at once get ten different addresses', async () => {
  const many = await Promise.all(Array.from({ length: 10 }, () => createNetnsPod()));
  const answers = await Promise.all(many.map((each, at) => execute('ADD', `many-${at}`, each.netns, config)));
  assert.deepEqual(
    answers.map(({ code }) => code),
    Array(10).fill(0),
    JSON.stringify(answers),
  );
  assert.equal(new Set(answers.flatMap(({ answer }) => ipsOf(answer))).size, 20);
  await Promise.all(many.map((each) => each.remove()));
  await Promise.all(answers.map((_, at) => call('DEL', `many-${at}`, '')));
  assert.deepEqual([leases(), await cables()], [[], []]);
});

test('300 times ADD and DEL leave nothing, and no address comes back before all others had their turn', {
  timeout: 120_000,
}, async () => {
  const seen: string[] = [];
  for (let round = 0; round < 300; round++) {
    const { netns } = pod(round % 3);
    seen.push(...ipsOf(await call('ADD', `round-${round}`, netns)).slice(0, 1));
    await call('DEL', `round-${round}`, netns);
  }
  assert.equal(new Set(seen.slice(0, 253)).size, 253);
  assert.deepEqual([leases(), await cables()], [[], []]);
  assert.equal(linkExists(BRIDGE), true);
});
