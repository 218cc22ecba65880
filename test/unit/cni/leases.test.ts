import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findLease, listLeases, releaseLease, takeLease } from '../../../cni/leases.ts';
import { CniCode } from '../../../cni/model.ts';
import { parseBridgeConfig } from '../../../cni/rules/config.ts';

const directory = mkdtempSync(join(tmpdir(), 'nodelet-leases-'));
after(() => rmSync(directory, { recursive: true }));

let networks = 0;
const network = (more: object = {}) =>
  parseBridgeConfig({
    cniVersion: '1.0.0',
    name: `n${networks++}`,
    type: 'nodelet-bridge',
    ipam: { ranges: [[{ subnet: '10.0.0.0/29' }], [{ subnet: 'fd00::/64' }]], dataDir: directory },
    ...more,
  });
const key = (containerId: string) => ({ containerId, ifName: 'eth0' });

test('a container gets an address of each set, and the same ones when it asks again', async () => {
  const config = network();
  const first = await takeLease(config, key('a'));
  assert.deepEqual([first.isNew, first.lease.addresses], [true, ['10.0.0.2', 'fd00::2']]);
  assert.deepEqual(await takeLease(config, key('a')), { lease: first.lease, isNew: false });
  assert.deepEqual(findLease(config.leaseDir, key('a')), first.lease);
  assert.deepEqual((await takeLease(config, { ...key('a'), ifName: 'eth1' })).lease.addresses, ['10.0.0.3', 'fd00::3']);
});

test('a released address has its turn after all others', async () => {
  const config = network();
  const given: (string | undefined)[] = [];
  for (let at = 0; at < 7; at++) {
    const { lease } = await takeLease(config, key(`c${at}`));
    given.push(lease.addresses[0]);
    await releaseLease(config.leaseDir, lease);
  }
  assert.deepEqual(
    given,
    ['2', '3', '4', '5', '6', '2', '3'].map((last) => `10.0.0.${last}`),
  );
});

test('when all are taken the error says so, and a release helps', async () => {
  const config = network();
  const leases = [];
  for (let at = 0; at < 5; at++) leases.push((await takeLease(config, key(`c${at}`))).lease);
  await assert.rejects(takeLease(config, key('late')), { code: CniCode.TryAgainLater });
  const [first] = leases;
  if (first) await releaseLease(config.leaseDir, first);
  assert.equal((await takeLease(config, key('late'))).lease.addresses[0], '10.0.0.2');
});

test('fifty at once get different addresses', async () => {
  const config = network({ ipam: { ranges: [[{ subnet: '10.0.0.0/24' }]], dataDir: directory } });
  const taken = await Promise.all(Array.from({ length: 50 }, (_, at) => takeLease(config, key(`c${at}`))));
  assert.equal(new Set(taken.flatMap(({ lease }) => lease.addresses)).size, 50);
  assert.equal(new Set(taken.map(({ lease }) => lease.hostIfName)).size, 50);
});

test('strange files neither confuse nor are touched', async () => {
  const config = network();
  await takeLease(config, key('a'));
  writeFileSync(join(config.leaseDir, 'notes.txt'), 'mine');
  symlinkSync('/etc/passwd', join(config.leaseDir, 'veth..@x@y@z'));
  writeFileSync(join(config.leaseDir, 'last.0'), 'torn 10.0');
  assert.equal(listLeases(config.leaseDir).length, 1);
  assert.equal((await takeLease(config, key('b'))).lease.addresses[0], '10.0.0.3');
});

test('a process that is killed while it takes leases leaves each whole or not there', { timeout: 60_000 }, async () => {
  const config = network({ ipam: { ranges: [[{ subnet: '10.0.0.0/16' }]], dataDir: directory } });
  const program = `
    import { takeLease } from '${join(import.meta.dirname, '../../../cni/leases.ts')}';
    import { parseBridgeConfig } from '${join(import.meta.dirname, '../../../cni/rules/config.ts')}';
    const config = parseBridgeConfig(${JSON.stringify({ cniVersion: '1.0.0', name: 'NAME', type: 'x', ipam: { ranges: [[{ subnet: '10.0.0.0/16' }]], dataDir: directory } })});
    for (let at = 0; ; at++) {
      await takeLease({ ...config, leaseDir: ${JSON.stringify(config.leaseDir)} }, { containerId: process.argv[1] + '-' + at, ifName: 'eth0' });
      if (at === 20) console.log('going');
    }`;
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, `r${round}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const { lease } = await takeLease(config, key('survivor'));
  const leases = listLeases(config.leaseDir);
  assert.ok(leases.length > 60 && leases.some(({ containerId }) => containerId === lease.containerId));
  assert.equal(new Set(leases.flatMap(({ addresses }) => addresses)).size, leases.length);
});
