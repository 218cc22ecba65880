// Deployments as a student meets them, with real kubectl and real containers (needs docker): create, scale, expose, roll out, undo, delete.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Cluster, eventually, startCluster } from '../rig/cluster.ts';

const image = 'nodelet.local/busybox:1';
let cluster: Cluster;

before(async () => {
  cluster = await startCluster(join(process.env['NODELET_TEST_DIR'] ?? '', 'nodelet'));
});

after(async () => {
  await cluster?.interrupt();
});

const out = async (...args: string[]): Promise<string> => (await cluster.kubectl(...args)).stdout;
const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await out(...args, '-o', 'json')) as T;

interface Named {
  readonly items: readonly { readonly metadata: { readonly name: string } }[];
}
const names = async (...args: string[]): Promise<string[]> =>
  (await json<Named>('get', ...args)).items.map(({ metadata }) => metadata.name).sort();

const rolledOut = (name: string): Promise<string> => out('rollout', 'status', name, '--timeout=80s');

/** Whoever answers says its own name, and the word that this revision serves. */
const serve = (word: string): string =>
  `trap exit TERM; mkdir /www && echo "$(hostname) ${word}" > /www/index.html; httpd -f -p 8080 -h /www & wait`;

test('a Deployment is created and its pods become ready', async () => {
  await out('create', 'deployment', 'web', `--image=${image}`, '--port=8080', '--', 'sh', '-c', serve('first'));
  assert.match(await rolledOut('deployment/web'), /deployment "web" successfully rolled out/);
  assert.match(await out('get', 'deployments'), /^web\s+1\/1\s+1\s+1\s/m);
  assert.match(await out('get', 'replicasets'), /^web-[a-z0-9]{10}\s+1\s+1\s+1\s/m);
});

test('scaled to four and exposed on a port of the node, four host names answer', async () => {
  await out('scale', 'deployment', 'web', '--replicas=4');
  await rolledOut('deployment/web');
  await out('expose', 'deployment', 'web', '--type=NodePort', '--port=80', '--target-port=8080');
  const port = await out('get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}');
  const seen = new Set<string>();
  await eventually('four pods answer', async () => {
    const answer = await fetch(`http://192.168.77.2:${port}/`, { signal: AbortSignal.timeout(5000) });
    seen.add((await answer.text()).trim().split(' ')[0] ?? '');
    return seen.size === 4 ? true : undefined;
  });
  assert.deepEqual([...seen].sort(), await names('pods', '-l', 'app=web'));
});

test('a new template rolls out, stands in the history, and is undone', async () => {
  const command = ['sh', '-c', serve('second')];
  const operation = [{ op: 'replace', path: '/spec/template/spec/containers/0/command', value: command }];
  const before = await names('pods', '-l', 'app=web');
  await out('patch', 'deployment', 'web', '--type=json', '-p', JSON.stringify(operation));
  await rolledOut('deployment/web');
  assert.match(await out('rollout', 'history', 'deployment/web'), /^1\s+<none>\n2\s+<none>$/m);
  await eventually('only new pods are left', async () => {
    const now = await names('pods', '-l', 'app=web');
    return now.length === 4 && now.every((name) => !before.includes(name)) ? true : undefined;
  });
  await out('rollout', 'undo', 'deployment/web');
  await rolledOut('deployment/web');
  assert.match(await out('rollout', 'history', 'deployment/web'), /^2\s+<none>\n3\s+<none>$/m);
  assert.match(await out('get', 'deployment', 'web', '-o', 'jsonpath={..command}'), /first/);
});

test('a pod that is deleted is replaced', async () => {
  const [first = ''] = await names('pods', '-l', 'app=web');
  await out('delete', 'pod', first);
  await rolledOut('deployment/web');
  const now = await names('pods', '-l', 'app=web');
  assert.equal(now.includes(first), false);
  assert.equal(now.length, 4);
});

test('a Job runs to its end, and keeps its pod', async () => {
  await out('create', 'job', 'sum', `--image=${image}`, '--', 'sh', '-c', 'echo $((6 * 7))');
  await out('wait', '--for=condition=complete', 'job/sum', '--timeout=60s');
  assert.equal(await out('logs', 'job/sum'), '42\n');
  assert.match(await out('get', 'jobs'), /^sum\s+Complete\s+1\/1\s/m);
});

test('deleted, all that it made goes with it', async () => {
  await out('delete', 'deployment/web', 'service/web', 'job/sum');
  await eventually('nothing is left', async () =>
    (await names('deployments,replicasets,jobs,pods')).length === 0 ? true : undefined,
  );
});
