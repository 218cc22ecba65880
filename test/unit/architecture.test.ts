// Who may import whom, and what rules may not do: the table of ARCHITECTURE.md, held by the tree itself.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');
const programs = ['agent', 'proxy', 'cni', 'controlplane'];
const sources = globSync('{agent,proxy,cni,controlplane,kube,host,cli}/**/*.ts', { cwd: root }).sort();

interface Import {
  readonly from: string;
  /** A path below the root for our own files, else the package's name. */
  readonly to: string;
  readonly ours: boolean;
  readonly typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found: Import[] = [];
  const statement = /^(?:import|export)\s+(type\s)?[^;]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;
  for (const match of text.matchAll(statement)) {
    const target = match[2] ?? match[3] ?? match[4] ?? '';
    const ours = target.startsWith('.');
    const to = ours ? relative(root, join(root, dirname(file), target)) : target;
    found.push({ from: file, to, ours, typeOnly: match[1] !== undefined });
  }
  return found;
}

const imports = sources.flatMap(importsOf);
const programOf = (file: string): string => file.split('/')[0] ?? '';
const roomOf = (file: string): string =>
  file
    .split('/')
    .slice(0, file.split('/').length > 2 ? 2 : 1)
    .join('/');
const isRules = (file: string): boolean => /(^|\/)rules(\/|\.ts$)/.test(file);
const isModel = (file: string): boolean => /^(agent|proxy|controlplane|cni)\/model\.ts$/.test(file);

/** The modules of kube and host that only compute: rules may use them. */
const pure = new Set(['kube/types.ts', 'kube/resources.ts', 'kube/quantity.ts', 'kube/selectors.ts', 'host/cidr.ts']);

function mayImport({ from, to, typeOnly }: Import): boolean {
  const program = programOf(from);
  const target = programOf(to);
  if (program === 'kube' || program === 'host') return target === program;
  if (program === 'cli') return target === 'cli' || target === 'kube' || target === 'host' || isDoor(to);
  if (isRules(from)) return rulesMayImport(from, to, typeOnly);
  if (program === 'cni') return target === 'cni' || target === 'host';
  if (target === 'kube' || target === 'host') return true;
  if (from === 'agent/main.ts' && to === 'cni/bridge.ts') return true;
  if (target !== program) return false;
  if (/^[a-z]+\/main\.ts$/.test(to)) return false;
  if (/^[a-z]+\/main\.ts$/.test(from)) return true;
  return program !== 'agent' || agentRoomMayImport(from, to);
}

/** What the command line opens of a program: its main, its configuration; and the engine, to load images. */
function isDoor(to: string): boolean {
  return (
    /^(agent|proxy|controlplane)\/(main\.ts|config\/)/.test(to) ||
    /^controlplane\/pki\//.test(to) ||
    /^controlplane\/dns\/(main|flags)\.ts$/.test(to) ||
    /^agent\/docker\//.test(to) ||
    /^agent\/network\//.test(to) ||
    /^cni\/main\.ts$/.test(to) ||
    /^proxy\/iptables\//.test(to)
  );
}

function rulesMayImport(from: string, to: string, typeOnly: boolean): boolean {
  if (pure.has(to)) return true;
  if (programOf(to) !== programOf(from)) return false;
  if (isModel(to) || to === `${roomOf(from)}/model.ts` || (isRules(to) && roomOf(to) === roomOf(from))) return true;
  // The shapes that a room's rules plan for: types alone.
  return typeOnly && (to === 'agent/docker/engine.ts' || roomOf(to) === roomOf(from));
}

function agentRoomMayImport(from: string, to: string): boolean {
  const room = roomOf(from);
  const target = roomOf(to);
  if (to === 'agent/model.ts' || target === room) return true;
  if (room === 'agent/docker') return false;
  if (target === 'agent/docker') return true;
  return room === 'agent/pod' && !['agent/server', 'agent/node', 'agent/sources'].includes(target);
}

test('every import of ours is one that the table allows', () => {
  const wrong = imports.filter((one) => one.ours && !mayImport(one)).map(({ from, to }) => `${from} imports ${to}`);
  assert.deepEqual(wrong, []);
});

test('only the Docker room knows dockerode, and only the control plane makes certificates by library', () => {
  const wrong = imports.filter(
    ({ from, to, ours }) =>
      !ours &&
      ((to === 'dockerode' && !from.startsWith('agent/docker/')) ||
        (to === '@peculiar/x509' && !/^(controlplane\/pki|agent\/certificates)\//.test(from))),
  );
  assert.deepEqual(
    wrong.map(({ from, to }) => `${from} imports ${to}`),
    [],
  );
});

test('rules are pure: no I/O, no clock, no chance, no environment, no waiting', () => {
  const forbidden =
    /\bawait\b|\basync\b|Date\.now\(|new Date\(\)|Math\.random|\brandom(UUID|Bytes|Int)\b|performance\.now|process\.|setTimeout|setInterval|console\./;
  const allowedPackages = new Set(['node:crypto', 'node:net', 'node:path/posix', 'node:path']);
  const wrong: string[] = [];
  for (const file of sources.filter(isRules)) {
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .forEach((line, at) => {
        const code = line.replace(/\/\/.*$|^\s*\*.*$|^\s*\/\*.*$/, '').replace(/'[^']*'|`[^`]*`/g, "''");
        if (forbidden.test(code)) wrong.push(`${file}:${at + 1}: ${line.trim()}`);
      });
    for (const { to, ours, typeOnly } of importsOf(file)) {
      if (!ours && !typeOnly && !allowedPackages.has(to)) wrong.push(`${file} imports ${to}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('the plugin that the kernel starts for every pod carries Node modules only', () => {
  const reach = new Set<string>();
  const walk = (file: string): void => {
    if (reach.has(file)) return;
    reach.add(file);
    for (const { to, ours } of imports.filter(({ from }) => from === file)) if (ours) walk(to);
  };
  walk('cni/main.ts');
  const packages = imports
    .filter(({ from, ours, typeOnly }) => reach.has(from) && !ours && !typeOnly)
    .map(({ to }) => to);
  assert.deepEqual(
    packages.filter((name) => !builtinModules.includes(name.replace('node:', ''))),
    [],
  );
});

test('every file says in its first line what lives in it', () => {
  const silent = sources.filter((file) => !/^(#!|\/\/ )/.test(readFileSync(join(root, file), 'utf8')));
  assert.deepEqual(silent, []);
});

test('programs are where the map says', () => {
  assert.deepEqual(
    programs.filter((name) => !sources.some((file) => file.startsWith(`${name}/`))),
    [],
  );
});
