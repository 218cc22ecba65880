// The node agent on this machine's own facts, against an API server in memory.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { createNode, type NodeAgent, type NodeConfig } from '../../../../agent/node/node.ts';
import { noPressure } from '../../../../agent/node/rules/pressure.ts';
import { silentLog } from '../../../../host/log.ts';
import { leases, nodes } from '../../../../kube/resources.ts';
import type { Lease, Node } from '../../../../kube/types.ts';
import { apiError, createFakeApi, type FakeApi } from '../../../fakes/api-client.ts';
import { createFakeClock, type FakeClock } from '../../../fakes/clock.ts';

const config: NodeConfig = {
  nodeName: 'node-1',
  nodeIps: [],
  labels: { 'example.com/rack': 'r1' },
  taints: [{ key: 'dedicated', value: 'x', effect: 'NoSchedule' }],
  registerNode: true,
  rootDir: tmpdir(),
  serverPort: 10250,
  kubeletVersion: 'v1.36.0',
  declaredFeatures: [],
  maxImages: 50,
  leaseSeconds: 40,
  statusUpdateMs: 10_000,
  statusReportMs: 300_000,
  maxPods: 110,
  podsPerCore: 0,
  systemReserved: {},
  kubeReserved: {},
  evictionHard: {},
};

const at = { name: 'node-1' };
const leaseAt = { namespace: 'kube-node-lease', name: 'node-1' };

interface Rig {
  readonly api: FakeApi;
  readonly clock: FakeClock;
  readonly agent: NodeAgent;
  readonly told: string[];
  readonly trouble: { runtime?: string; network?: string };
  until<T>(what: () => T | undefined | false): Promise<T>;
}

async function withNode(
  body: (rig: Rig) => Promise<void>,
  prepare?: (api: FakeApi) => void,
  given = config,
): Promise<void> {
  const clock = createFakeClock(1_700_000_000_000);
  const api = createFakeApi({ now: clock.now });
  prepare?.(api);
  const told: string[] = [];
  const trouble: Rig['trouble'] = {};
  const agent = await createNode({
    config: given,
    client: api,
    engine: {
      info: async () => ({
        version: '20.10.24',
        apiVersion: '1.41',
        cgroupDriver: 'cgroupfs',
        cgroupVersion: 1,
        dataRoot: tmpdir(),
        runtimes: ['runc'],
        defaultLogDriver: 'json-file',
      }),
      listImages: async () => [{ id: 'sha256:1', tags: ['busybox:test'], digests: [], sizeBytes: 5 }],
    },
    events: { pod: () => {}, node: ({ type, reason, message }) => told.push(`${type} ${reason} ${message}`) },
    clock,
    log: silentLog,
    pressure: () => noPressure,
    runtimeError: () => trouble.runtime,
    networkNotReady: () => trouble.network,
    random: () => 0,
  });
  const stop = new AbortController();
  const done = agent.run(stop.signal);
  const until: Rig['until'] = async (what) => {
    for (let turns = 0; turns < 500; turns++) {
      const found = what();
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return assert.fail(`Not reached: ${what}`);
  };
  try {
    await body({ api, clock, agent, told, trouble, until });
  } finally {
    stop.abort();
    await done;
  }
}

const condition = (node: Node | undefined, type: string) =>
  node?.status?.conditions?.find((candidate) => candidate.type === type);
const reports = (api: FakeApi): number =>
  api.requests.filter(({ verb, path }) => verb === 'patch' && path === '/api/v1/nodes/node-1/status').length;

test('a machine registers as a node that is ready, with labels, taints, capacity and a lease', async () => {
  await withNode(async ({ api, told, until }) => {
    const node = await until(() => api.peek(nodes, at));
    assert.equal(node.metadata.annotations?.['volumes.kubernetes.io/controller-managed-attach-detach'], 'true');
    assert.equal(node.metadata.labels?.['kubernetes.io/hostname'], 'node-1');
    assert.equal(node.metadata.labels?.['example.com/rack'], 'r1');
    assert.deepEqual(node.spec, { taints: config.taints });
    assert.deepEqual(node.status?.daemonEndpoints, { kubeletEndpoint: { Port: 10250 } });
    assert.equal(node.status?.nodeInfo?.containerRuntimeVersion, 'docker://20.10.24');
    assert.deepEqual(node.status?.images, [{ names: ['busybox:test'], sizeBytes: 5 }]);
    assert.deepEqual(node.status?.addresses?.at(-1), { type: 'Hostname', address: 'node-1' });
    assert.equal(node.status?.capacity?.['pods'], '110');
    assert.equal(condition(node, 'Ready')?.reason, 'KubeletReady');
    assert.deepEqual(told, [
      'Normal NodeHasSufficientMemory Node node-1 status is now: NodeHasSufficientMemory',
      'Normal NodeHasNoDiskPressure Node node-1 status is now: NodeHasNoDiskPressure',
      'Normal NodeHasSufficientPID Node node-1 status is now: NodeHasSufficientPID',
    ]);
    const lease = await until(() => api.peek<Lease>(leases, leaseAt));
    assert.equal(lease.spec?.holderIdentity, 'node-1');
    assert.equal(lease.spec?.leaseDurationSeconds, 40);
    assert.equal(lease.spec?.renewTime, '2023-11-14T22:13:20.000000Z');
  });
});

test('a network that is not ready keeps the node from being ready, and says so', async () => {
  await withNode(async ({ api, agent, told, trouble, until }) => {
    await until(() => condition(api.peek(nodes, at), 'Ready'));
    trouble.network = 'cni config uninitialized';
    agent.poke();
    const ready = await until(() => {
      const found = condition(api.peek(nodes, at), 'Ready');
      return found?.status === 'False' && found;
    });
    assert.equal(ready.reason, 'KubeletNotReady');
    assert.equal(
      ready.message,
      'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:docker: network plugin is not ready: cni config uninitialized',
    );
    assert.equal(told.at(-1), 'Normal NodeNotReady Node node-1 status is now: NodeNotReady');
  });
});

test('a node that is there is adopted: foreign labels, taints and extended resources survive', async () => {
  const theirs = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { ...at, labels: { 'example.com/theirs': 'yes' } },
    spec: { taints: [{ key: 'theirs', effect: 'NoExecute' }], podCIDR: '10.244.3.0/24' },
    status: {
      capacity: { 'example.com/gpu': '4' },
      conditions: [{ type: 'NetworkUnavailable', status: 'False', reason: 'Routed', message: '' }],
    },
  } as Node;
  await withNode(
    async ({ api, until }) => {
      const node = await until(() => {
        const found = api.peek(nodes, at);
        return condition(found, 'Ready') && found;
      });
      assert.equal(node.metadata.labels?.['example.com/theirs'], 'yes');
      assert.equal(node.metadata.labels?.['kubernetes.io/os'], 'linux');
      assert.deepEqual(node.spec, theirs.spec);
      assert.equal(node.status?.capacity?.['example.com/gpu'], '4');
      assert.equal(node.status?.allocatable?.['example.com/gpu'], '4');
      assert.equal(condition(node, 'NetworkUnavailable')?.reason, 'Routed');
    },
    (api) => api.put(nodes, theirs),
  );
});

test('a resource that somebody adds to the capacity becomes allocatable, and is not taken away again', async () => {
  await withNode(async ({ api, until }) => {
    await until(() => condition(api.peek(nodes, at), 'Ready'));
    const body = { status: { capacity: { 'example.com/fpga': '2' } } };
    await api.patch(nodes, at, { type: 'merge', body, subresource: 'status' });
    const allocatable = await until(() => api.peek(nodes, at)?.status?.allocatable?.['example.com/fpga']);
    assert.equal(allocatable, '2');
    assert.equal(api.peek(nodes, at)?.status?.capacity?.['example.com/fpga'], '2');
  });
});

test('a node that somebody deletes is registered again', async () => {
  await withNode(async ({ api, until }) => {
    const first = await until(() => condition(api.peek(nodes, at), 'Ready') && api.peek(nodes, at));
    await api.delete(nodes, at);
    const second = await until(() => api.peek(nodes, at));
    assert.notEqual(second.metadata.uid, first.metadata.uid);
  });
});

test('an unchanged status is reported every five minutes, the lease every ten seconds', async () => {
  await withNode(async ({ api, clock, until }) => {
    await until(() => condition(api.peek(nodes, at), 'Ready') && api.peek(leases, leaseAt));
    await clock.advance(20_000);
    const before = reports(api);
    const leaseVersion = Number(api.peek(leases, leaseAt)?.metadata.resourceVersion);
    for (let turn = 0; turn < 20; turn++) await clock.advance(10_000);
    assert.ok(reports(api) - before <= 2, `${reports(api) - before} reports in 200 s`);
    assert.ok(Number(api.peek(leases, leaseAt)?.metadata.resourceVersion) >= leaseVersion + 15);
    for (let turn = 0; turn < 40; turn++) await clock.advance(10_000);
    await until(() => reports(api) > before);
  });
});

test('a server that is away at first is asked until it answers', async () => {
  await withNode(
    async ({ api, clock, until }) => {
      await until(() => api.requests.filter(({ verb }) => verb === 'create').length > 0);
      for (let turn = 0; turn < 20; turn++) await clock.advance(1000);
      await until(() => api.peek(nodes, at));
    },
    (api) => api.fail(({ verb }) => verb === 'create', apiError('Unreachable'), 3),
  );
});

test('a node may not label itself as whatever it likes', async () => {
  const labels = { 'node-role.kubernetes.io/master': '' };
  await assert.rejects(
    withNode(
      async () => {},
      () => {},
      { ...config, labels },
    ),
    /Cannot set node labels "node-role.kubernetes.io\/master"/,
  );
});
