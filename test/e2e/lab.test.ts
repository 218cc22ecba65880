// A lab of three machines with systemd, from the package to pods that talk across nodes (needs docker).
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../../host/commands.ts';
import { type Lab, type LabMachine, startLab } from '../rig/lab.ts';

const root = join(import.meta.dirname, '../..');
const packages = join(process.env['NODELET_TEST_DIR'] ?? '', 'packages');
const names = ['control', 'worker1', 'worker2'];
const patience = { timeout: 900_000 };
let lab: Lab;

const control = (): LabMachine => lab.machines[0] as LabMachine;

before(async () => {
  await run(process.execPath, [join(root, 'systemd/package.ts'), '--quick', '--out', packages], { timeoutMs: 300_000 });
  lab = await startLab(names);
  const deb = (await readdir(packages)).find((name) => name.endsWith('.deb')) ?? '';
  await Promise.all(
    lab.machines.map(async (machine) => {
      await machine.put(join(packages, deb), '/tmp/nodelet.deb');
      await machine.put(join(root, 'lab/provision.sh'), '/tmp/provision.sh');
      await machine.put(join(root, 'lab/smoke.sh'), '/tmp/smoke.sh');
    }),
  );
}, patience);

after(() => lab?.remove(), patience);

test('the same script that Vagrant runs makes three Ready nodes', patience, async () => {
  const server = `https://${control().address}:6443`;
  let printed = '';
  for (const { name, address, run: on } of lab.machines) {
    const role = name === 'control' ? 'control' : 'worker';
    const token = 'abcdef.0123456789abcdef';
    const { stdout } = await on('sh', '/tmp/provision.sh', role, address, server, token, String(names.length));
    printed = stdout;
  }
  assert.equal([...printed.matchAll(/^\S+ +Ready /gm)].length, 3, printed);
});

test('systemd has nothing to complain of, and ps shows a kubelet with its flags', async () => {
  for (const { run: on } of lab.machines) {
    const { stdout: failed } = await on('systemctl', '--failed', '--no-legend');
    assert.equal(failed, '');
    const { stdout } = await on('ps', '-C', 'kubelet', '-o', 'cmd', '--no-headers');
    assert.match(stdout, /^\/usr\/lib\/nodelet\/bin\/kubelet .*--client-ca-file=/);
  }
  const { stderr } = await control().run(
    'sh',
    '-c',
    'systemd-analyze --man=no verify /usr/lib/systemd/system/nodelet-*.service',
  );
  assert.equal(stderr, '');
});

test('pods talk across nodes, Services and NodePorts answer', patience, async () => {
  const { stdout } = await control().run('sh', '/tmp/smoke.sh', '/var/lib/nodelet/admin.conf');
  assert.match(stdout, /the cluster keeps its promises/);
});
