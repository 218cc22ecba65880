// The README's walk with real kubectl (needs docker): examples, services from host and pod, logs, exec, run, delete.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../../host/commands.ts';
import { type Cluster, eventually, kubectlPath, startCluster } from '../rig/cluster.ts';

const examples = join(import.meta.dirname, '../../lab/examples');
let cluster: Cluster;

before(async () => {
  cluster = await startCluster(join(process.env['NODELET_TEST_DIR'] ?? '', 'nodelet'));
});

after(async () => {
  await cluster?.interrupt();
});

const out = async (...args: string[]): Promise<string> => (await cluster.kubectl(...args)).stdout;

test('the node is Ready and says what it is', async () => {
  const wide = await out('get', 'nodes', '-o', 'wide');
  assert.match(wide, /NAME\s+STATUS\s+ROLES\s+AGE\s+VERSION\s+INTERNAL-IP/);
  assert.match(wide, / Ready .*192\.168\.77\.2.*docker:\/\/\d+/);
  assert.match(await out('describe', 'nodes'), /KubeletReady\s+kubelet is posting ready status/);
});

test('the examples become ready', async () => {
  await out('apply', '-f', examples);
  await out('wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s');
  const pods = await out('get', 'pods', '-o', 'wide');
  assert.match(pods, /two-containers\s+2\/2\s+Running\s+0\s/);
  assert.match(pods, /hello-1\s+1\/1\s+Running\s+0\s.*10\.244\.0\.\d+/);
});

test('containers of a pod share localhost and a volume', async () => {
  await eventually('the writer reads its own page', async () =>
    /20\d\d/.test(await out('logs', 'two-containers', '-c', 'writer')) ? true : undefined,
  );
});

test('a secret is a file in memory, readable as its mode says; a host directory is read-only', async () => {
  assert.equal(await out('exec', 'secret-and-host-path', '--', 'cat', '/run/door/password'), 'open-sesame');
  assert.match(
    await out('exec', 'secret-and-host-path', '--', 'stat', '-L', '-c', '%a', '/run/door/password'),
    /^400$/m,
  );
  assert.match(await out('exec', 'secret-and-host-path', '--', 'grep', '/run/door', '/proc/mounts'), /^tmpfs /);
  await assert.rejects(out('exec', 'secret-and-host-path', '--', 'touch', '/node/x'), /Read-only file system/);
});

test('both services answer, spread over all pods, from host and pod', async () => {
  const address = (await out('get', 'service', 'hello', '-o', 'jsonpath={.spec.clusterIP}')).trim();
  const fromHost = async (url: string): Promise<string> =>
    (await fetch(url, { signal: AbortSignal.timeout(5000) })).text();
  for (const url of [`http://${address}/`, 'http://192.168.77.2:30080/', 'http://127.0.0.1:30080/']) {
    const names = new Set<string>();
    await eventually(`three pods answer on ${url}`, async () =>
      names.add((await fromHost(url)).trim()).size === 3 ? true : undefined,
    );
    assert.deepEqual([...names].sort(), ['hello-1', 'hello-2', 'hello-3']);
  }
  for (const url of [`http://${address}/`, 'http://192.168.77.2:30080/']) {
    assert.match(
      await out('exec', 'two-containers', '-c', 'web', '--', 'timeout', '5', 'wget', '-q', '-O', '-', url),
      /^hello-[123]$/m,
    );
  }
  const env = await out('exec', 'secret-and-host-path', '--', 'env');
  assert.match(env, /^KUBERNETES_SERVICE_HOST=10\.96\.0\.1$/m);
});

test('a pod reaches itself through its service, and the world through its node', async () => {
  const address = (await out('get', 'service', 'hello', '-o', 'jsonpath={.spec.clusterIP}')).trim();
  for (let again = 0; again < 9; again++) {
    assert.match(
      await out('exec', 'hello-1', '--', 'timeout', '5', 'wget', '-q', '-O', '-', `http://${address}/`),
      /^hello-[123]$/m,
    );
  }
  await out('exec', 'hello-1', '--', 'ping', '-c', '1', '-W', '3', '192.168.77.1');
});

test('logs follow until the container ends', async () => {
  await out(
    'run',
    'counter',
    '--image=nodelet.local/busybox:1',
    '--restart=Never',
    '--',
    'sh',
    '-c',
    'for i in 1 2 3; do echo line $i; sleep 0.3; done',
  );
  await eventually('counter started', async () =>
    /Running|Succeeded/.test(await out('get', 'pod', 'counter', '-o', 'jsonpath={.status.phase}')) ? true : undefined,
  );
  assert.equal(await out('logs', '-f', 'counter'), 'line 1\nline 2\nline 3\n');
  await out('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/counter', '--timeout=30s');
  assert.equal(await out('logs', 'counter', '--tail=1'), 'line 3\n');
});

test('exec carries input, output and the exit code; attach meets a running program', async () => {
  const { stdout } = await run(kubectlPath(), ['exec', '-i', 'hello-1', '--', 'sh', '-c', 'cat; echo error >&2'], {
    env: cluster.kubectlEnv,
    input: 'to and fro',
  });
  assert.equal(stdout, 'to and fro');
  await assert.rejects(out('exec', 'hello-1', '--', 'sh', '-c', 'exit 7'), { exitCode: 7 });
  const ran = await run(
    kubectlPath(),
    ['run', 'echo', '-i', '--rm', '--quiet', '--image=nodelet.local/busybox:1', '--restart=Never', '--', 'cat'],
    { env: cluster.kubectlEnv, input: 'through attach\n' },
  );
  assert.match(ran.stdout, /through attach/);
});

test('exec -it has a terminal', async () => {
  // script(1) gives kubectl a terminal of its own.
  const command = `${kubectlPath()} exec -it hello-1 -- sh -c 'tty; sleep 0.5; stty size'`;
  const { stdout } = await run('script', ['-qec', `stty rows 33 cols 99; ${command}`, '/dev/null'], {
    env: cluster.kubectlEnv,
  });
  assert.match(stdout, /\/dev\/pts\/\d+/);
  assert.match(stdout, /33 99/);
});

test('port-forward reaches a port of the pod', async () => {
  const forward = spawn(kubectlPath(), ['port-forward', 'pod/hello-2', '18080:8080'], {
    env: { ...process.env, ...cluster.kubectlEnv },
    stdio: 'ignore',
  });
  try {
    const answer = await eventually('the forwarded port answers', async () =>
      (await fetch('http://127.0.0.1:18080/')).text(),
    );
    assert.equal(answer.trim(), 'hello-2');
  } finally {
    forward.kill();
  }
});

test('describe tells the story of a pod by its events', async () => {
  const text = await out('describe', 'pod', 'hello-1');
  for (const words of [
    /Scheduled\s.*Successfully assigned default\/hello-1/,
    /Pulled\s.*already present on machine/,
    /Created\s.*Container created/,
    /Started\s.*Container started/,
  ]) {
    assert.match(text, words);
  }
});

test('delete ends the pods gracefully, and their names are free again', async () => {
  await out('delete', '-f', examples, '--timeout=60s');
  await out('delete', 'pod', 'counter');
  assert.equal((await out('get', 'pods', '-o', 'name')).trim(), '');
  await out('apply', '-f', join(examples, '1-two-containers.yaml'));
  await out('wait', '--for=condition=Ready', 'pod/two-containers', '--timeout=30s');
});
