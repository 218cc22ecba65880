// A machine for one suite: a network namespace with an uplink to "the world" (another namespace), a scratch
// directory, and on request a private dockerd with a small image. Everything goes when the suite ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupRootOf } from '../../cli/up-flags.ts';
import { openCgroups } from '../../host/cgroups.ts';
import { run } from '../../host/commands.ts';

export interface Machine {
  /** Put before a command, makes it run there. */
  readonly enter: readonly string[];
  readonly env: Record<string, string>;
  remove(): Promise<void>;
}

const dockerStartMs = 60_000;

/** Makes a machine. Throws where the host cannot; what was made by then is removed. */
export async function createMachine({ docker }: { docker: boolean }): Promise<Machine> {
  const id = `nlt-${randomBytes(4).toString('hex')}`;
  const world = `${id}-w`;
  const directory = await mkdtemp(join(tmpdir(), 'nodelet-test-'));
  const undo: (() => Promise<unknown>)[] = [() => removeTree(directory), () => removeCgroups(directory)];
  const remove = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse())
      await step().catch((error: unknown) => console.error('clean-up:', error));
  };
  try {
    await createNamespaces(id, world, undo);
    const enter = ['nsenter', `--net=/run/netns/${id}`];
    const env: Record<string, string> = {
      NODELET_TEST_DIR: directory,
      NODELET_TEST_NETNS: id,
      NODELET_TEST_WORLD_NETNS: world,
    };
    if (docker) env['NODELET_TEST_DOCKER'] = await startDocker(id, directory, enter, undo);
    return { enter, env, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function createNamespaces(id: string, world: string, undo: (() => Promise<unknown>)[]): Promise<void> {
  for (const name of [id, world]) {
    await run('ip', ['netns', 'add', name]);
    undo.push(() => run('ip', ['netns', 'delete', name]));
    await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  }
  await run('ip', ['-n', id, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', world]);
  await run('ip', ['-n', id, '-batch', '-'], {
    input:
      'addr add 192.168.77.2/24 dev eth0\naddr add fd77::2/64 dev eth0 nodad\nlink set eth0 up\nroute add default via 192.168.77.1\nroute add ::/0 via fd77::1\n',
  });
  await run('ip', ['-n', world, '-batch', '-'], {
    input: 'addr add 192.168.77.1/24 dev eth0\naddr add fd77::1/64 dev eth0 nodad\nlink set eth0 up\n',
  });
}

/** Starts dockerd inside the namespace and loads `busybox:test`. Returns its socket's path. */
async function startDocker(
  id: string,
  directory: string,
  enter: readonly string[],
  undo: (() => Promise<unknown>)[],
): Promise<string> {
  const socket = join(directory, 'docker.sock');
  const runc = join(directory, 'lab-runc');
  await writeFile(runc, runcWrapper);
  await chmod(runc, 0o755);
  const execRoot = `/run/${id}`;
  const args = [
    ...['--host', `unix://${socket}`, '--data-root', join(directory, 'docker'), '--exec-root', execRoot],
    ...['--pidfile', join(directory, 'docker.pid'), '--add-runtime', `lab=${runc}`, '--default-runtime', 'lab'],
    ...['--config-file', join(directory, 'daemon.json'), '--log-level', 'warn'],
  ];
  await writeFile(join(directory, 'daemon.json'), '{}');
  const [program = '', ...prefix] = [...enter, 'dockerd', ...args];
  const daemon = spawn(program, prefix, { stdio: ['ignore', 'pipe', 'pipe'] });
  const words: Buffer[] = [];
  for (const stream of [daemon.stdout, daemon.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      words.push(chunk);
      if (words.length > 200) words.shift();
    });
  }
  undo.push(() => removeTree(execRoot));
  undo.push(() => stopDocker(daemon, socket));
  await untilAnswers(socket, daemon, words);
  await loadBusybox(socket, directory);
  return socket;
}

async function untilAnswers(socket: string, daemon: ChildProcess, words: readonly Buffer[]): Promise<void> {
  for (const end = Date.now() + dockerStartMs; Date.now() < end; await sleep(50)) {
    if (hasEnded(daemon)) break;
    if (await connects(socket)) return;
  }
  throw new Error(`dockerd did not answer on ${socket}:\n${Buffer.concat(words).toString('utf8')}`);
}

function connects(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.on('connect', () => resolve(true)).on('error', () => resolve(false));
    connection.on('connect', () => connection.destroy());
  });
}

/** By itself, or by a signal, which leaves no exit code. */
const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

/** Containers first, so that no shim outlives its daemon. */
async function stopDocker(daemon: ChildProcess, socket: string): Promise<void> {
  const docker = (...words: string[]) => run('docker', ['-H', `unix://${socket}`, ...words], { timeoutMs: 120_000 });
  const { stdout } = await docker('ps', '-aq', '--no-trunc').catch(() => ({ stdout: '' }));
  const ids = stdout.split('\n').filter((line) => line !== '');
  if (ids.length > 0) await docker('rm', '-f', '-v', ...ids).catch(() => {});
  if (hasEnded(daemon)) return;
  const gone = new Promise((resolve) => daemon.once('exit', resolve));
  daemon.kill('SIGTERM');
  const killer = setTimeout(() => daemon.kill('SIGKILL'), 20_000);
  await gone;
  clearTimeout(killer);
}

async function loadBusybox(socket: string, directory: string): Promise<void> {
  const root = join(directory, 'busybox-root');
  await mkdir(join(root, 'bin'), { recursive: true });
  for (const name of ['tmp', 'etc', 'root', 'home']) await mkdir(join(root, name));
  await chmod(join(root, 'tmp'), 0o1777);
  await writeFile(join(root, 'bin/busybox'), await readFile('/bin/busybox'), { mode: 0o755 });
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home:/bin/sh\n');
  await writeFile(join(root, 'etc/group'), 'root:x:0:\napp:x:1000:\n');
  const { stdout } = await run('/bin/busybox', ['--list']);
  for (const applet of stdout.split('\n')) {
    if (applet !== '' && applet !== 'busybox') await symlink('busybox', join(root, 'bin', applet));
  }
  const tar = join(directory, 'busybox.tar');
  await run('tar', ['-C', root, '--numeric-owner', '--owner=0', '--group=0', '-cf', tar, '.']);
  await run('docker', [
    '-H',
    `unix://${socket}`,
    'import',
    '-c',
    'CMD ["sh"]',
    '-c',
    'ENV PATH=/bin',
    tar,
    'busybox:test',
  ]);
  await rm(tar);
  await rm(root, { recursive: true });
}

/** Unmounts what is left below a directory, innermost first, then removes it without crossing into other file systems. */
async function removeTree(path: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((target) => target === path || target.startsWith(`${path}/`));
  for (const target of mounts.reverse()) await run('umount', ['-l', target.replaceAll('\\040', ' ')]).catch(() => {});
  await run('rm', ['-rf', '--one-file-system', path]);
}

/** Whatever instances kept their state below the scratch directory, their control groups are named after it. */
async function removeCgroups(directory: string): Promise<void> {
  const cgroups = await openCgroups();
  for (const name of await readdir(directory)) await cgroups.remove(cgroupRootOf(join(directory, name)));
}

/** runc for machines whose bounding set lacks CAP_SYS_RESOURCE: asks for neither it nor negative OOM scores. Elsewhere a plain runc. */
const runcWrapper = `#!/bin/sh
if [ $((0x$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status) >> 24 & 1)) = 0 ]; then
  file= before=
  for word; do
    case $before in --bundle) file=$word/config.json ;; --process) file=$word ;; esac
    before=$word
  done
  [ -n "$file" ] && [ -f "$file" ] && sed -i -E 's/"CAP_SYS_RESOURCE",?//g; s/,\\]/]/g; s/"oomScoreAdj":-[0-9]+/"oomScoreAdj":0/' "$file"
fi
exec runc "$@"
`;
