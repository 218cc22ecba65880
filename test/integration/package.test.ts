// What is installed: the units verify without a word, and both archives hold the same tree.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { run } from '../../host/commands.ts';

const root = join(import.meta.dirname, '../..');
const packages = join(process.env['NODELET_TEST_DIR'] ?? '', 'packages');
const tree = join(process.env['NODELET_TEST_DIR'] ?? '', 'tree');
let files: string[];

before(
  async () => {
    await run(process.execPath, [join(root, 'systemd/package.ts'), '--quick', '--out', packages], {
      timeoutMs: 300_000,
    });
    files = await readdir(packages);
    await mkdir(tree);
    await run('dpkg-deb', ['-x', join(packages, files.find((name) => name.endsWith('.deb')) ?? ''), tree]);
  },
  { timeout: 300_000 },
);

test('systemd-analyze finds nothing to say about the units', async () => {
  const directory = join(tree, 'verify');
  await mkdir(directory);
  const units = await readdir(join(tree, 'usr/lib/systemd/system'));
  for (const unit of units) {
    const text = await readFile(join(tree, 'usr/lib/systemd/system', unit), 'utf8');
    await writeFile(join(directory, unit), text.replaceAll('/usr/lib/nodelet', join(tree, 'usr/lib/nodelet')));
  }
  const { stdout, stderr } = await run('systemd-analyze', [
    '--man=no',
    'verify',
    ...units.map((one) => join(directory, one)),
  ]);
  assert.equal(units.length, 3);
  assert.equal(stdout + stderr, '');
});

test('the sums are right, and the tarball holds what the package holds', async () => {
  await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: packages });
  const tarball = files.find((name) => name.endsWith('.tar.gz')) ?? '';
  const list = async (text: Promise<{ stdout: string }>, prefix: RegExp): Promise<string[]> =>
    (await text).stdout
      .split('\n')
      .filter((line) => prefix.test(line))
      .map((line) => line.replace(prefix, ''))
      .filter((line) => line !== '' && !line.endsWith('/'))
      .sort();
  const inTarball = await list(run('tar', ['-tzf', join(packages, tarball)]), /^[^/]+\/root\//);
  const deb = join(packages, files.find((name) => name.endsWith('.deb')) ?? '');
  const { stdout: fsys } = await run('sh', ['-c', `dpkg-deb --fsys-tarfile "${deb}" | tar -tf -`]);
  const inPackage = await list(Promise.resolve({ stdout: fsys }), /^\.\//);
  assert.deepEqual(inTarball, inPackage);
});

test('the packaged program runs by its own Node, under the name that auditors look for', async () => {
  const lib = join(tree, 'usr/lib/nodelet');
  const { stdout } = await run(join(lib, 'bin/kubelet'), [join(lib, 'nodelet.cjs'), 'help']);
  assert.match(stdout, /^Usage: nodelet/);
});
