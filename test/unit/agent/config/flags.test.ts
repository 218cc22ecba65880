// The kubelet's command line: what it says, and how it refuses.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseAgentConfig } from '../../../../agent/config/flags.ts';
import { durationMs } from '../../../../agent/config/schema.ts';

const needed = ['--kubeconfig=/k', '--tls-cert-file=/c', '--tls-private-key-file=/p', '--hostname-override=Node-1'];
let directory = '';

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nodelet-config-'));
});
after(() => rm(directory, { recursive: true }));

async function withFile(text: string, ...flags: string[]) {
  const file = join(directory, 'config.yaml');
  await writeFile(file, text);
  return parseAgentConfig([...needed, `--config=${file}`, ...flags]);
}

test('flags become a frozen configuration', async () => {
  const config = await parseAgentConfig([
    ...needed,
    '--root-dir',
    '/r',
    '--node-labels=a=b,c=d',
    '--register-with-taints=k=v:NoSchedule,x:NoExecute',
    '--docker-host=unix:///d.sock',
    '--cluster-dns=10.96.0.10',
    '--port=0',
  ]);
  assert.equal(config.nodeName, 'node-1');
  assert.equal(config.rootDir, '/r');
  assert.deepEqual(config.nodeLabels, { a: 'b', c: 'd' });
  assert.deepEqual(config.taints, [
    { key: 'k', value: 'v', effect: 'NoSchedule' },
    { key: 'x', effect: 'NoExecute' },
  ]);
  assert.equal(config.dockerSocket, '/d.sock');
  assert.deepEqual(config.clusterDns, ['10.96.0.10']);
  assert.equal(config.server.port, 0);
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.server));
});

test('flags win over the file', async () => {
  const config = await withFile('kind: KubeletConfiguration\nmaxPods: 20\nport: 1234\n', '--max-pods=30');
  assert.deepEqual([config.maxPods, config.server.port], [30, 1234]);
});

for (const [name, flags, message] of [
  ['an unknown flag', ['--no-such'], /^Unknown flag "--no-such": want a flag of the kubelet$/],
  ['an inherited name', ['--constructor=1'], /^Unknown flag/],
  ['a number that is none', ['--max-pods=1e3'], /^--max-pods: "1e3" is not valid: want a whole number$/],
  ['a port out of range', ['--port=70000'], /^field port: 70000 is not valid/],
  ['an engine that is no socket', ['--docker-host=tcp://x:1'], /want the path of Docker's socket/],
  ['a flag without its value', ['--root-dir'], /^--root-dir needs a value$/],
  ['a bad taint', ['--register-with-taints=a=b'], /want key=value:effect/],
] as const) {
  test(`refused: ${name}`, () =>
    assert.rejects(parseAgentConfig([...needed, ...flags]), { name: 'ConfigError', message }));
}

for (const [name, text, message] of [
  [
    'an unknown field',
    'noSuch: 1',
    /config.yaml": unknown field "noSuch": want a field of KubeletConfiguration v1beta1$/,
  ],
  [
    'a nested unknown field',
    'authorization: {x: 1}',
    /unknown field "authorization.x": want one of authorization.mode, authorization.webhook$/,
  ],
  ['a misspelt field', 'maxPod: 1', /unknown field "maxPod": did you mean "maxPods"/],
  [
    'anonymous access',
    'authentication: {anonymous: {enabled: true}}',
    /authentication.anonymous.enabled: true is not valid/,
  ],
  [
    'a duration that is none',
    'syncFrequency: soon',
    /field syncFrequency: "soon" is not valid: want a duration such as "1m30s"/,
  ],
  ['a file that is no object', '[]', /want a KubeletConfiguration/],
  ['a duplicate key', 'port: 1\nport: 2', /Map keys must be unique/],
] as const) {
  test(`refused in a file: ${name}`, () => assert.rejects(withFile(text), { name: 'ConfigError', message }));
}

test('durations are read as Go reads them', () => {
  assert.deepEqual(['1m30s', '0', '1.5h', '100ms', '', '5', '-1s'].map(durationMs), [
    90_000,
    0,
    5_400_000,
    100,
    undefined,
    undefined,
    undefined,
  ]);
});
