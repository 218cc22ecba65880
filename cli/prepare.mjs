// Makes a machine ready to run or to test nodelet: Debian packages, npm packages (with our own Node in them), bundles.
// Plain JavaScript for Node.js 20, because it runs before anything is installed.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [asked = 'help', ...flags] = process.argv.slice(2);
const verb = asked === 'dev' ? 'up' : asked;
const needsMachine = ['up', 'test', 'kubelet', 'proxy'].includes(verb);
const stamp = join(root, 'node_modules', '.nodelet-lock');

/** What the machine must have: a command, and the Debian package that brings it. */
const commands = [
  ['iptables', 'iptables'],
  ['conntrack', 'conntrack'],
  ['ip', 'iproute2'],
  ['modprobe', 'kmod'],
  ['nsenter', 'util-linux'],
  ['mount', 'mount'],
];
const testCommands = [
  ['dockerd', 'docker.io'],
  ['ipset', 'ipset'],
  ['socat', 'socat'],
  ['prometheus', 'prometheus'],
];

function fail(words) {
  console.error(`nodelet: ${words}`);
  process.exit(1);
}

function has(command) {
  return process.env.PATH.split(':').some((directory) => existsSync(join(directory, command)));
}

function flag(name) {
  const at = flags.findIndex((one) => one === name || one.startsWith(`${name}=`));
  if (at < 0) return undefined;
  return flags[at].includes('=') ? flags[at].slice(name.length + 1) : flags[at + 1];
}

/** A step prints its line only when somebody waits for it: in `up`, or when there was something to do. */
function step(name, work) {
  const startedAt = performance.now();
  const did = work();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (verb === 'up' || did) console.error(`${name.padEnd(22)} ${did || 'there already'} (${seconds} s)`);
}

function answers(socketPath) {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const end = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, () => end(false));
    socket.on('error', () => end(false));
    socket.on('connect', () => end(true));
  });
}

function installDebianPackages(missing) {
  if (missing.length === 0) return '';
  if (!has('apt-get')) fail(`missing ${missing.join(', ')}, and there is no apt-get to install them with`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...words) => spawnSync('apt-get', words, { env, encoding: 'utf8', timeout: 600_000 });
  apt('update', '-qq');
  const result = apt('install', '-y', '-qq', '--no-install-recommends', ...missing);
  if (result.status !== 0) fail(`cannot install ${missing.join(' ')} with apt-get:\n${result.stderr ?? result.error}`);
  return `installed ${missing.join(', ')}`;
}

async function missingPackages() {
  const wanted = verb === 'test' ? [...commands, ...testCommands] : commands;
  const missing = wanted.filter(([command]) => !has(command)).map(([, name]) => name);
  if (['up', 'test'].includes(verb) && !(existsSync('/bin/busybox') && isStatic('/bin/busybox')))
    missing.push('busybox-static');
  if (verb === 'test' && !has('kubectl')) missing.push('kubernetes-client');
  const dockerHost = (flag('--docker-host') ?? process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace(
    'unix://',
    '',
  );
  if (verb === 'up' && !has('dockerd') && !(await answers(dockerHost))) missing.push('docker.io');
  return missing;
}

/** A static ELF names no program interpreter. */
function isStatic(path) {
  return !readFileSync(path).subarray(0, 4096).includes('/lib64/ld-linux');
}

const isStamped = (lock) => existsSync(stamp) && readFileSync(stamp, 'utf8') === lock;

/** npm writes what it installed into a hidden lock file: newer than ours, it was made from ours. */
function isInstalled() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
}

function installNpmPackages() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(join(root, 'node_modules/.bin/node')) && (isStamped(lock) || isInstalled())) return '';
  const result = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    encoding: 'utf8',
    timeout: 600_000,
  });
  if (result.status !== 0) fail(`npm ci failed:\n${result.stderr ?? result.error}`);
  writeFileSync(stamp, lock);
  return `installed, Node.js ${execFileSync(join(root, 'node_modules/.bin/node'), ['--version'], { encoding: 'utf8' }).trim()}`;
}

/** The bundles are as new as everything that they are made of. */
function isBuilt() {
  const bundle = join(root, 'dist', 'nodelet.cjs');
  if (!existsSync(bundle)) return false;
  const builtAtMs = statSync(bundle).mtimeMs;
  const folders = ['agent', 'proxy', 'cni', 'controlplane', 'kube', 'host', 'cli'];
  const sources = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => join(root, folder, name)),
  );
  return [join(root, 'package-lock.json'), ...sources].every((path) => statSync(path).mtimeMs <= builtAtMs);
}

function build() {
  if (isBuilt()) return '';
  const result = spawnSync(join(root, 'node_modules/.bin/node'), [join(root, 'cli/build.ts')], {
    cwd: root,
    encoding: 'utf8',
  });
  if (result.status !== 0) fail(`cannot build:\n${result.stderr}`);
  return verb === 'up' ? `${readdirSync(join(root, 'dist')).length} bundles` : '';
}

if (process.platform !== 'linux') fail('runs on Linux only');
if (Number(process.versions.node.split('.')[0]) < 20)
  fail(`needs Node.js 20 or newer to install itself, this is ${process.version}`);
if ((needsMachine || verb === 'reset') && process.getuid() !== 0)
  fail('must run as root: it manages containers, mounts and network rules');
const missing = needsMachine ? await missingPackages() : [];
step('debian packages', () => installDebianPackages(missing));
step('npm packages', installNpmPackages);
if (verb !== 'test') step('build', build);
