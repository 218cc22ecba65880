import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { ensureConflist } from '../../../../agent/network/ensure-conflist.ts';
import { createPodNetwork } from '../../../../agent/network/network.ts';
import type { CniCall } from '../../../../agent/network/plugin.ts';
import { silentLog } from '../../../../host/log.ts';
import type { Pod } from '../../../../kube/types.ts';

let directory = '';
let calls: CniCall[] = [];
const signal = new AbortController().signal;
const sandbox = { id: 'abc', pid: process.pid };
const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid: 'u1' },
  spec: { containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 8080 }] }] },
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'nodelet-network-'));
  calls = [];
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A bridge that gives each container the next address, and the same to the same. */
function fakeBridge() {
  const given = new Map<string, string>();
  return async (call: CniCall) => {
    calls.push(call);
    if (call.command === 'DEL') return given.delete(call.containerId) && undefined;
    const address = given.get(call.containerId) ?? `10.0.0.${given.size + 2}/24`;
    given.set(call.containerId, address);
    return { ips: [{ address }] };
  };
}

function network(bridge: (call: CniCall) => Promise<unknown> = fakeBridge(), changed: string[] = []) {
  return createPodNetwork({
    confDir: join(directory, 'net.d'),
    binDir: join(directory, 'bin'),
    stateDir: join(directory, 'state'),
    podCidr: () => '10.0.0.0/24',
    bridge,
    hostPortsChanged: async (added) => void changed.push(added.map(({ hostPort }) => hostPort).join()),
    log: silentLog,
  });
}

const conflist = () => ensureConflist({ confDir: join(directory, 'net.d'), podCidrs: ['10.0.0.0/24'] });

test('our own configuration is written, kept, followed, and never put over or beside that of others', async () => {
  const confDir = join(directory, 'net.d');
  const file = join(confDir, '10-nodelet.conflist');
  assert.equal(await conflist(), 'written');
  assert.equal(await conflist(), 'kept');
  const ipam = { ranges: [[{ subnet: '10.9.0.0/24' }]], dataDir: '/x' };
  assert.equal(await ensureConflist({ confDir, podCidrs: ['10.9.0.0/24'], leaseDir: '/x', mtu: 1450 }), 'written');
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
    cniVersion: '1.0.0',
    name: 'nodelet',
    plugins: [
      {
        type: 'nodelet-bridge',
        bridge: 'nodelet0',
        isGateway: true,
        isDefaultGateway: true,
        hairpinMode: true,
        mtu: 1450,
        ipam: { dataDir: '/x', ranges: ipam.ranges },
      },
    ],
  });
  writeFileSync(file, '{"name":"mine","type":"macvlan"}');
  assert.equal(await conflist(), 'foreign');
  rmSync(file);
  writeFileSync(join(confDir, '10-flannel.conflist'), '{}');
  assert.equal(await conflist(), 'foreign');
});

test('a sandbox is attached once, whoever asks, and its address outlives the process', async () => {
  await conflist();
  const bridge = fakeBridge();
  const it = network(bridge);
  assert.deepEqual(await it.addresses('abc'), []);
  const both = await Promise.all([it.attach(sandbox, pod, signal), it.attach(sandbox, pod, signal)]);
  assert.deepEqual(both, [['10.0.0.2'], ['10.0.0.2']]);
  assert.deepEqual(await network(bridge).addresses('abc'), ['10.0.0.2']);
  assert.deepEqual(
    calls.map(({ command }) => command),
    ['ADD'],
  );
  assert.equal(calls[0]?.netns, `/proc/${process.pid}/ns/net`);
});

test('host ports are told before attach ends, found again by the next process, and closed by detach', async () => {
  await conflist();
  const changed: string[] = [];
  const bridge = fakeBridge();
  await network(bridge, changed).attach(sandbox, pod, signal);
  const next = network(bridge, changed);
  assert.deepEqual(await next.hostPorts(), [
    { pod: 'shop/web', protocol: 'tcp', hostIp: '', hostPort: 8080, podIp: '10.0.0.2', containerPort: 80 },
  ]);
  await next.detach('abc', signal);
  assert.deepEqual([await next.hostPorts(), changed], [[], ['8080', '']]);
});

test('what a killed process began is taken back before it is begun again', async () => {
  await conflist();
  const dying = network(async (call) => {
    calls.push(call);
    return new Promise(() => {});
  });
  void dying.attach(sandbox, pod, signal);
  while (calls.length === 0) await new Promise(setImmediate);
  const next = network();
  assert.deepEqual([await next.attached(), await next.addresses('abc')], [['abc'], []]);
  assert.deepEqual(await next.attach(sandbox, pod, signal), ['10.0.0.2']);
  assert.deepEqual(
    calls.map(({ command }) => command),
    ['ADD', 'DEL', 'ADD'],
  );
});

test('DEL speaks of the network as it was at ADD, without a namespace that is no longer the same', async () => {
  await conflist();
  await network().attach(sandbox, pod, signal);
  const file = join(directory, 'state', 'abc.json');
  const record = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...record, netnsInode: 1 }));
  rmSync(join(directory, 'net.d'), { recursive: true });
  const it = network();
  await it.detach('abc', signal);
  const del = calls.at(-1);
  assert.deepEqual([del?.command, del?.netns, del?.config['name']], ['DEL', '', 'nodelet']);
  assert.deepEqual(await it.attached(), []);
});

test('a torn record is no record, and detach clears it', async () => {
  await conflist();
  mkdirSync(join(directory, 'state'));
  writeFileSync(join(directory, 'state', 'abc.json'), '{"sandboxId": "ab');
  const it = network();
  assert.deepEqual(await it.addresses('abc'), []);
  assert.deepEqual(await it.attach(sandbox, pod, signal), ['10.0.0.2']);
  await it.detach('abc', signal);
  assert.deepEqual(await it.attached(), []);
});

test('an id that is a path is refused', async () => {
  await assert.rejects(network().detach('../../etc/passwd', signal), /Invalid sandbox id/);
});
