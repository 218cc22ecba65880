// needs docker. Real kubectl on the kubelet API: exec, logs, cp and port-forward, by a client of SPDY and one of WebSockets.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connectEngine } from '../../agent/docker/connect.ts';
import type { Engine } from '../../agent/docker/engine.ts';
import { type CommandResult, run } from '../../host/commands.ts';
import type { Pod } from '../../kube/types.ts';
import { eventually } from '../rig/cluster.ts';
import { type KubectlFront, startKubectlFront } from '../rig/server/kubectl-front.ts';
import { ask, lookup, observedContainer, startKubeletServer, type TestServer } from '../rig/server/kubelet-server.ts';

const script =
  'mkdir -p /www; echo hello > /www/index.html; httpd -p 127.0.0.1:8080 -h /www; echo started; exec sleep 1000';

const directory = '/usr/lib/google-cloud-sdk/bin';
/** No cluster but the one on the command line; its discovery cache goes with the scratch directory. */
const env = { HOME: process.env['NODELET_TEST_DIR'] ?? '', KUBECONFIG: '/dev/null' };
/** One that speaks SPDY only, one that speaks WebSockets first. */
const clients = ['kubectl.1.28', 'kubectl.1.32']
  .filter((name) => readdirSync(directory).includes(name))
  .map((name) => join(directory, name));

let engine: Engine;
let kubelet: TestServer;
let front: KubectlFront;
let id = '';

before(async () => {
  engine = await connectEngine(process.env['NODELET_TEST_DOCKER'] ?? '');
  const plan = { name: 'web', image: 'busybox:test', labels: {}, networkDisabled: true };
  id = await engine.createContainer({ ...plan, entrypoint: ['sh', '-c', `sleep 1; ${script}`] });
  await engine.startContainer(id);
  const { pid } = await engine.inspectContainer(id);
  execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'ip', 'link', 'set', 'lo', 'up']);
  const containerID = `docker://${id}`;
  const status = {
    name: 'app',
    image: '',
    imageID: '',
    ready: true,
    restartCount: 0,
    containerID,
    state: { running: {} },
  };
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default', uid: 'uid-1' },
    spec: { containers: [{ name: 'app' }] },
    status: { phase: 'Running', containerStatuses: [status] },
  };
  const sandbox = { id, attempt: 0, phase: 'running', createdAtMs: 0, pid, hostNetwork: false, ips: [] } as const;
  const containers = [observedContainer('app', { id })];
  kubelet = await startKubeletServer({ engine, pods: lookup(pod, { sandboxes: [sandbox], containers }) });
  front = await startKubectlFront(pod, kubelet.admin);
  await eventually('the web server started', async () => {
    const { body } = await ask({ ...kubelet.admin, path: '/containerLogs/default/web/app' });
    return body === 'started\n' ? true : undefined;
  });
});
after(async () => {
  front?.stop();
  await kubelet?.stop();
  await engine.removeContainer(id);
});

for (const client of clients) {
  const kubectl = (...args: string[]): Promise<CommandResult> => run(client, ['--server', front.url, ...args], { env });

  describe(client.split('/').at(-1) ?? client, { timeout: 120_000 }, () => {
    it('executes, with input, both outputs and the exit code', async () => {
      assert.equal((await kubectl('exec', 'web', '--', 'cat', '/www/index.html')).stdout, 'hello\n');
      const echoed = await run(client, ['--server', front.url, 'exec', '-i', 'web', '--', 'md5sum'], {
        env,
        input: Buffer.alloc(3_000_000, 'a'),
      });
      assert.match(echoed.stdout, /^[0-9a-f]{32} {2}-\n$/);
      await assert.rejects(kubectl('exec', 'web', '--', 'sh', '-c', 'echo oops >&2; exit 7'), (error: Error) => {
        const { exitCode, stderr } = error as Error & { exitCode: number; stderr: string };
        return exitCode === 7 && stderr.includes('oops');
      });
    });

    it('loses no output', async () => {
      const { stdout } = await kubectl('exec', 'web', '--', 'sh', '-c', 'seq 1 200000');
      assert.equal(stdout.split('\n').at(-2), '200000');
      assert.equal(stdout.length, 1_288_895);
    });

    it('gives a terminal', async () => {
      const command = `${client} --server ${front.url} exec -it web -- sh -c 'test -t 0 && test -t 1 && stty size && echo terminal'`;
      const { stdout } = await run('script', ['-qec', command, '/dev/null'], { env });
      assert.match(stdout, /terminal/);
    });

    it('reads logs', async () => {
      assert.equal((await kubectl('logs', 'web')).stdout, 'started\n');
      assert.match((await kubectl('logs', 'web', '--timestamps')).stdout, /^\d{4}-.*Z started\n$/);
    });

    it('copies a file in and out', async () => {
      const scratch = process.env['NODELET_TEST_DIR'] ?? '';
      await kubectl('cp', join(import.meta.dirname, '../../package-lock.json'), 'web:/tmp/there.json');
      await kubectl('cp', 'web:/tmp/there.json', join(scratch, 'back.json'));
      await run('cmp', [join(import.meta.dirname, '../../package-lock.json'), join(scratch, 'back.json')]);
    });

    it('forwards a port, one connection after the other', async () => {
      const child = spawn(client, ['--server', front.url, 'port-forward', 'pod/web', ':8080'], {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      try {
        const said = await new Promise<string>((resolve) =>
          child.stdout.once('data', (d: Buffer) => resolve(d.toString())),
        );
        const port = /127\.0\.0\.1:(\d+)/.exec(said)?.[1];
        for (let i = 0; i < 5; i++) {
          assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'hello\n');
        }
      } finally {
        child.kill();
      }
    });
  });
}
