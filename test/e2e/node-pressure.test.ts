// A node that runs short (needs docker): limits of pods, memory of all pods together, and a disk that fills.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../../host/commands.ts';
import type { Pod } from '../../kube/types.ts';
import { eventually } from '../rig/cluster.ts';
import { startNode, type TestNode } from '../rig/node.ts';

const directory = join(process.env['NODELET_TEST_DIR'] ?? '', 'tight');
const forPodsMi = 220;
let node: TestNode;

before(async () => {
  const root = join(directory, 'kubelet');
  await mkdir(root, { recursive: true });
  // The disk of the node: small enough to fill without harm to anybody.
  await run('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', root]);
  const totalKib = Number(/MemTotal:\s+(\d+)/.exec(await readFile('/proc/meminfo', 'utf8'))?.[1]);
  node = await startNode(directory, [
    `--system-reserved=memory=${totalKib - forPodsMi * 1024}Ki`,
    '--eviction-hard=memory.available<100Mi,nodefs.available<30Mi',
    '--eviction-pressure-transition-period=15s',
    '--volume-stats-agg-period=1s',
  ]);
});

after(async () => {
  await node?.kubectl(['delete', 'pod', '--all', '--force', '--grace-period=0']).catch(() => {});
  await node?.stop();
});

interface Wish {
  readonly name: string;
  readonly script: string;
  readonly emptyDir?: object;
  readonly memory?: string;
}

const manifest = ({ name, script, emptyDir = {}, memory }: Wish): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'main',
          image: 'busybox:test',
          command: ['sh', '-c', `${script}; exec sleep 3600`],
          volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
          ...(memory ? { resources: { requests: { memory } } } : {}),
        },
      ],
      volumes: [{ name: 'scratch', emptyDir }],
    },
  });

const apply = (wish: Wish): Promise<string> => node.kubectl(['apply', '-f', '-'], manifest(wish));
const get = async (name: string): Promise<Pod> => JSON.parse(await node.kubectl(['get', 'pod', name, '-o', 'json']));
const ready = (name: string) => node.kubectl(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s']);

const evicted = (name: string): Promise<NonNullable<Pod['status']>> =>
  eventually(
    `${name} is evicted`,
    async () => {
      const { status } = await get(name);
      return status?.phase === 'Failed' ? status : undefined;
    },
    60_000,
  );

const condition = (type: string, status: string): Promise<string> =>
  node.kubectl(['wait', `--for=condition=${type}=${status}`, 'node/tight', '--timeout=90s']);

const disruption = (status: Pod['status']): string | undefined =>
  status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.reason;

test('the control group of all pods may have what is not reserved', async () => {
  const path = `/sys/fs/cgroup/memory/nodelet-test-${process.pid}/kubepods/memory.limit_in_bytes`;
  const text = await readFile(path, 'utf8').catch(() =>
    readFile(`/sys/fs/cgroup/nodelet-test-${process.pid}/kubepods/memory.max`, 'utf8'),
  );
  assert.equal(Number(text), forPodsMi * 1024 * 1024);
});

test('a pod whose volume has grown beyond its size goes, by its own fault', async () => {
  await apply({
    name: 'greedy',
    script: 'dd if=/dev/zero of=/scratch/x bs=1M count=3',
    emptyDir: { sizeLimit: '1Mi' },
  });
  const status = await evicted('greedy');
  assert.equal(status.reason, 'Evicted');
  assert.equal(status.message, 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ');
  assert.equal(disruption(status), undefined);
  const events = await node.kubectl(['get', 'events', '--field-selector=reason=Evicted', '-o', 'name']);
  assert.match(events, /^event\/greedy\./m);
});

test('short of memory, the pod beyond its request goes and the others stay', async () => {
  await apply({ name: 'modest', script: 'true', memory: '20Mi' });
  await ready('modest');
  await apply({
    name: 'hog',
    script: 'dd if=/dev/zero of=/scratch/x bs=1M count=150',
    emptyDir: { medium: 'Memory' },
  });
  const status = await evicted('hog');
  assert.equal(status.reason, 'Evicted');
  assert.match(
    status.message ?? '',
    /^The node was low on resource: memory\. Threshold quantity: 100Mi, available: \d+Ki\. Container main was using 1\d{5}Ki, request is 0, has larger consumption of memory\. $/,
  );
  assert.equal(disruption(status), 'TerminationByKubelet');
  await condition('MemoryPressure', 'True');
  await apply({ name: 'late', script: 'true' });
  // Whoever comes by the scheduler waits; who is bound directly is refused.
  await node.kubectl(
    ['apply', '-f', '-'],
    manifest({ name: 'bound', script: 'true' }).replace('"spec":{', '"spec":{"nodeName":"tight",'),
  );
  const refused = await evicted('bound');
  assert.equal(refused.message, 'Pod was rejected: The node had condition: [MemoryPressure]. ');
  assert.equal((await get('modest')).status?.phase, 'Running');
  await condition('MemoryPressure', 'False');
  await ready('late');
});

test('short of disk, the pod that uses most of it goes', async () => {
  await apply({ name: 'filler', script: 'dd if=/dev/zero of=/scratch/x bs=1M count=75' });
  const status = await evicted('filler');
  assert.match(
    status.message ?? '',
    /^The node was low on resource: ephemeral-storage\. Threshold quantity: 30Mi, available: \d+Ki\. /,
  );
  assert.equal(disruption(status), 'TerminationByKubelet');
  await condition('DiskPressure', 'True');
  await condition('DiskPressure', 'False');
  assert.equal((await get('modest')).status?.phase, 'Running');
  assert.match(
    await node.kubectl(['get', 'events', '--field-selector=reason=EvictionThresholdMet', '-o', 'jsonpath={..message}']),
    /Attempting to reclaim ephemeral-storage/,
  );
});
