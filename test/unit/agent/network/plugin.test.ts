import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type PluginError, processPlugin } from '../../../../agent/network/plugin.ts';

const binDir = mkdtempSync(join(tmpdir(), 'nodelet-plugins-'));
after(() => rmSync(binDir, { recursive: true }));

const call = {
  command: 'ADD',
  containerId: 'abc',
  netns: '/proc/1/ns/net',
  ifName: 'eth0',
  args: 'A=b',
  config: { name: 'n' },
} as const;

function plugin(name: string, body: string, timeoutMs?: number) {
  writeFileSync(join(binDir, name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(binDir, name), 0o755);
  return processPlugin(name, binDir, timeoutMs);
}

test('a plugin gets the protocol’s environment and its configuration on stdin', async () => {
  const echo = plugin(
    'echo',
    'printf \'{"env":"%s %s %s %s %s %s","stdin":%s}\' $CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_ARGS $CNI_PATH "$(cat)"',
  );
  assert.deepEqual(await echo(call), {
    env: `ADD abc /proc/1/ns/net eth0 A=b ${binDir}`,
    stdin: { name: 'n' },
  });
});

const failures: readonly [what: string, body: string, words: string][] = [
  ['an error as JSON', 'echo \'{"code":7,"msg":"bad","details":"really"}\'; echo noise >&2; exit 1', 'bad; really'],
  ['an error although it exits with 0', 'echo \'{"code":7,"msg":"bad"}\'', 'bad'],
  ['words on stderr only', 'echo broken >&2; exit 3', 'exit 3: broken'],
  ['no JSON', 'echo hello', 'its answer is not JSON'],
  ['too much', 'yes 0123456789 | head -c 9000000', 'more than 4194304 bytes of output'],
];

for (const [what, body, words] of failures) {
  test(`a plugin that fails with ${what}`, async () => {
    await assert.rejects(plugin('fails', body)(call), { message: `plugin type="fails" failed: ${words}` });
  });
}

test('stderr is kept for the log', async () => {
  const noisy = plugin('noisy', 'echo why >&2; exit 1');
  await assert.rejects(noisy(call), (error: PluginError) => error.stderr === 'why\n');
});

test('a plugin that hangs is killed with all that it has started', async () => {
  const hangs = plugin('hangs', 'sleep 1000 & echo $! > "$(dirname "$0")/pid"; wait', 300);
  await assert.rejects(hangs(call), /no answer within 300 ms/);
});

test('a daemon that a plugin leaves behind does not keep us waiting', async () => {
  const leaves = plugin('leaves', 'sleep 5 & echo \'{"ips":[]}\'');
  assert.deepEqual(await leaves(call), { ips: [] });
});

test('an end that was asked for is an end', async () => {
  await assert.rejects(plugin('slow', 'sleep 1000')(call, AbortSignal.timeout(50)), { name: 'TimeoutError' });
});

test('what is not a file of the directory is not found', async () => {
  mkdirSync(join(binDir, 'folder'));
  for (const name of ['nothing', 'folder']) {
    await assert.rejects(processPlugin(name, binDir)(call), {
      message: `plugin type="${name}" failed: failed to find plugin "${name}" in path [${binDir}]`,
    });
  }
});
