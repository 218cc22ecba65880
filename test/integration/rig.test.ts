// The test machine itself (needs docker): what every other suite takes for granted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../../host/commands.ts';

const docker = `unix://${process.env['NODELET_TEST_DOCKER']}`;

test('a container runs on the private engine, in the namespace of the suite', async () => {
  const { stdout } = await run('docker', [
    '-H',
    docker,
    'run',
    '--rm',
    '--net=host',
    '--oom-score-adj=-998',
    'busybox:test',
    'ip',
    '-4',
    'addr',
    'show',
    'eth0',
  ]);
  assert.match(stdout, /192\.168\.77\.2/);
});

test('the world is one hop away', async () => {
  await run('ping', ['-c1', '-W2', '192.168.77.1']).catch(() => run('busybox', ['ping', '-c1', '-W2', '192.168.77.1']));
});
