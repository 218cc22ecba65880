// The control plane as one program: a cluster begins, nodes and pods meet, a restart changes nothing, a namespace goes with all it holds.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseControlPlaneConfig } from '../../controlplane/config/flags.ts';
import { type ControlPlane, startControlPlane } from '../../controlplane/main.ts';
import { silentLog as log } from '../../host/log.ts';
import { type ApiClient, createApiClient } from '../../kube/client.ts';
import { isForbidden, isNotFound } from '../../kube/errors.ts';
import { loadKubeconfig } from '../../kube/kubeconfig.ts';
import {
  configMaps,
  endpointSlices,
  endpoints,
  events,
  namespaces,
  nodes,
  pods,
  type Resource,
  serviceAccounts,
  services,
} from '../../kube/resources.ts';
import type { Container, Node, Pod, Service } from '../../kube/types.ts';

const limitMs = 20_000;
let directory = '';
let control: ControlPlane | undefined;
let client: ApiClient | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(process.env['NODELET_TEST_DIR'] ?? tmpdir(), 'controlplane-'));
});
afterEach(async () => {
  await stop();
  await rm(directory, { recursive: true, force: true });
});

async function start(...flags: string[]): Promise<ApiClient> {
  const config = parseControlPlaneConfig([
    `--data-dir=${directory}`,
    '--bind-address=127.0.0.1',
    '--secure-port=0',
    ...flags,
  ]);
  control = await startControlPlane(config, { log, signal: AbortSignal.timeout(limitMs) });
  client = createApiClient(await loadKubeconfig(control.adminKubeconfigPath));
  return client;
}

async function stop(): Promise<void> {
  await client?.close();
  await control?.stop();
  client = undefined;
  control = undefined;
}

/** Asks until the answer will do; the last answer is in the error. */
async function until<T>(ask: () => Promise<T>, willDo: (answer: T) => boolean): Promise<T> {
  let last: unknown;
  for (const end = Date.now() + limitMs; Date.now() < end; await sleep(20)) {
    try {
      const answer = await ask();
      if (willDo(answer)) return answer;
      last = answer;
    } catch (error) {
      if (!isNotFound(error) && !isForbidden(error)) throw error;
      last = error;
    }
  }
  assert.fail(`Waited in vain; the last answer was ${JSON.stringify(last)}`);
}

/** What a kubelet would say of itself. */
async function registerNode(api: ApiClient, name: string, cpu: string): Promise<void> {
  const status = {
    allocatable: { cpu, memory: '8Gi', pods: '110' },
    capacity: { cpu, memory: '8Gi', pods: '110' },
    conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }],
  };
  await api.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name } } as Node);
  await api.patch(nodes, { name }, { type: 'strategic', subresource: 'status', body: { status } });
}

const pod = (name: string, cpu: string, labels: Record<string, string> = {}, namespace = 'default'): Pod => {
  const container: Container = {
    name: 'web',
    image: 'busybox:test',
    resources: { requests: { cpu } },
    ports: [{ name: 'http', containerPort: 8080 }],
  };
  const spec = { containers: [container] };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels } as Pod['metadata'], spec };
};

async function runPod(api: ApiClient, name: string, ip: string): Promise<void> {
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }];
  const body = { status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions } };
  await api.patch(pods, { namespace: 'default', name }, { type: 'strategic', subresource: 'status', body });
}

/** Pods can be made once the namespace has its service account. */
const accountIn = (api: ApiClient, namespace: string) =>
  until(
    () => api.get(serviceAccounts, { namespace, name: 'default' }),
    () => true,
  );

test('a cluster begins with its namespaces, accounts and CA, and an administrator alone can read admin.conf', async () => {
  const api = await start();
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
    await accountIn(api, name);
    const { data } = await until(
      () => api.get(configMaps, { namespace: name, name: 'kube-root-ca.crt' }),
      () => true,
    );
    assert.equal(data?.['ca.crt'], control?.ca);
  }
  assert.equal((await stat(join(directory, 'admin.conf'))).mode & 0o777, 0o600);
});

test('nodes get blocks, pods get nodes, a service gets the pods; what does not fit is explained', async () => {
  const api = await start('--cluster-cidr=10.50.0.0/16');
  await accountIn(api, 'default');
  await registerNode(api, 'a', '2');
  await registerNode(api, 'b', '2');
  const blocks = await until(
    async () => (await api.list(nodes)).items.map(({ spec }) => spec?.podCIDR),
    (all) => all.every((one) => one !== undefined),
  );
  assert.deepEqual(blocks.sort(), ['10.50.0.0/24', '10.50.1.0/24']);

  const spec = { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] };
  await api.create(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec,
  } as unknown as Service);
  for (const name of ['p1', 'p2']) await api.create(pods, pod(name, '1500m', { app: 'web' }));
  const bound = await until(
    async () => (await api.list(pods, { namespace: 'default' })).items,
    (all) => all.length === 2 && all.every(({ spec: { nodeName } }) => nodeName),
  );
  assert.deepEqual(bound.map(({ spec: { nodeName } }) => nodeName).sort(), ['a', 'b']);

  await api.create(pods, pod('big', '1500m'));
  const waiting = await until(
    () => api.get(pods, { namespace: 'default', name: 'big' }),
    ({ status }) => status?.conditions?.some(({ reason }) => reason === 'Unschedulable') === true,
  );
  const words =
    '0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: ' +
    '0/2 nodes are available: 2 No preemption victims found for incoming pod.';
  assert.equal(waiting.status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message, words);
  await until(
    async () => (await api.list(events, { namespace: 'default' })).items,
    (all) => all.some(({ reason, message }) => reason === 'FailedScheduling' && message === words),
  );

  await runPod(api, 'p1', '10.50.0.7');
  const slices = await until(
    async () =>
      (await api.list(endpointSlices, { namespace: 'default', labelSelector: 'kubernetes.io/service-name=web' })).items,
    ([slice]) => slice?.endpoints?.length === 1,
  );
  assert.deepEqual(
    slices.map(({ endpoints: listed, ports }) => [
      listed?.[0]?.addresses,
      listed?.[0]?.conditions?.ready,
      ports?.[0]?.port,
    ]),
    [[['10.50.0.7'], true, 8080]],
  );
  await until(
    () => api.get(endpoints, { namespace: 'default', name: 'web' }),
    ({ subsets }) => subsets?.[0]?.addresses?.[0]?.ip === '10.50.0.7',
  );
  await api.delete(pods, { namespace: 'default', name: 'p2' }, { gracePeriodSeconds: 0 });
  await until(
    () => api.get(pods, { namespace: 'default', name: 'big' }),
    ({ spec: { nodeName } }) => nodeName !== undefined,
  );
});

test('after a restart the same clients are believed, and nothing is made twice', async () => {
  const before = await start();
  await accountIn(before, 'default');
  await registerNode(before, 'a', '2');
  const isAllocated = ({ spec }: Node): boolean => spec?.podCIDR !== undefined;
  const { spec } = await until(() => before.get(nodes, { name: 'a' }), isAllocated);
  await before.create(pods, pod('p', '1'));
  await until(
    () => before.get(pods, { namespace: 'default', name: 'p' }),
    ({ spec: { nodeName } }) => nodeName === 'a',
  );
  const ca = control?.ca;
  const port = new URL(control?.server ?? '').port;
  const kubeconfig = await readFile(join(directory, 'admin.conf'), 'utf8');
  await stop();
  const after = await start(`--secure-port=${port}`);
  assert.equal(control?.ca, ca);
  assert.equal(await readFile(join(directory, 'admin.conf'), 'utf8'), kubeconfig);
  assert.equal((await after.get(nodes, { name: 'a' })).spec?.podCIDR, spec?.podCIDR);
  assert.equal((await after.get(pods, { namespace: 'default', name: 'p' })).spec.nodeName, 'a');
});

test('a namespace goes with all that it holds', async () => {
  const api = await start();
  await api.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'short' } });
  await accountIn(api, 'short');
  await api.create(pods, pod('p', '1', {}, 'short'));
  await api.create(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'short' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  } as unknown as Service);
  await until(
    () => api.list(endpointSlices, { namespace: 'short' }),
    ({ items }) => items.length === 1,
  );
  await api.delete(namespaces, { name: 'short' });
  await until(
    async () => api.get(namespaces, { name: 'short' }).then(() => false, isNotFound),
    (gone) => gone,
  );
  const held: Resource<{ metadata: { namespace?: string } }>[] = [
    pods,
    services,
    endpointSlices,
    configMaps,
    serviceAccounts,
  ];
  for (const of of held) {
    const { items } = await api.list(of);
    assert.deepEqual(
      items.filter(({ metadata }) => metadata.namespace === 'short'),
      [],
      of.plural,
    );
  }
});

test('a taken port is one clear failure that leaves the data directory usable', async () => {
  await start();
  const port = new URL(control?.server ?? '').port;
  const other = join(directory, 'other');
  const second = (flags: string[]) => {
    const config = parseControlPlaneConfig([`--data-dir=${other}`, '--bind-address=127.0.0.1', ...flags]);
    return startControlPlane(config, { log, signal: AbortSignal.timeout(limitMs) });
  };
  await assert.rejects(second([`--secure-port=${port}`]), {
    message: `Cannot listen on 127.0.0.1:${port}: the port is taken`,
  });
  await (await second(['--secure-port=0'])).stop();
});
