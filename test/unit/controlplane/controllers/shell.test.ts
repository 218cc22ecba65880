// Loops against an API server in memory: changes become writes, failures are repeated, a loop never works on a picture older than its own writes.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { createCache } from '../../../../controlplane/cache.ts';
import { controllersHold, runControllers } from '../../../../controlplane/controllers/all.ts';
import { runController } from '../../../../controlplane/controllers/shell.ts';
import { createEventRecorder } from '../../../../controlplane/events.ts';
import { type Controller, looksNoFurther, type Outcome, watch } from '../../../../controlplane/model.ts';
import { parseCidr } from '../../../../host/cidr.ts';
import { systemClock as clock } from '../../../../host/clock.ts';
import { silentLog as log } from '../../../../host/log.ts';
import {
  configMaps,
  endpointSlices,
  namespaces,
  nodes,
  pods,
  serviceAccounts,
  services,
} from '../../../../kube/resources.ts';
import type { ConfigMap } from '../../../../kube/types.ts';
import { aNamespace, aNode, aPod, aService } from '../../../builders/control-plane.ts';
import { apiError, createFakeApi, type FakeApi, type FakeRequest } from '../../../fakes/api-client.ts';

let stop = new AbortController();
let work: Promise<unknown> = Promise.resolve();
afterEach(async () => {
  stop.abort();
  await work;
  stop = new AbortController();
});

function start(api: FakeApi, run: (parts: Parameters<typeof runController>[1]) => Promise<void>): void {
  const cache = createCache(api, controllersHold, () => {});
  const events = createEventRecorder(api, 'test', { clock, log });
  const loops = run({ client: api, cache, events, clock, log });
  work = Promise.all([loops, cache.run(stop.signal)]);
}

function startAll(api: FakeApi): void {
  const settings = {
    caPem: 'PEM',
    clusterBlocks: [{ cidr: parseCidr('10.244.0.0/16') ?? assert.fail(), nodePrefix: 24 }],
    nodeGraceMs: 50_000,
  };
  start(api, (parts) => runControllers(settings, parts, stop.signal));
}

/** Discovery of one kind, for emptying namespaces. */
const discovery = ({ path }: FakeRequest): unknown => {
  if (path === '/apis') return { groups: [] };
  const verbs = ['list', 'deletecollection'];
  return { resources: [{ name: 'configmaps', kind: 'ConfigMap', namespaced: true, verbs }] };
};

const path = (wanted: string, verb?: FakeRequest['verb']) => (request: FakeRequest) =>
  request.path === wanted && (verb === undefined || request.verb === verb);

test('a new cluster gets its namespaces, and each namespace its account and its CA', { timeout: 10_000 }, async () => {
  const api = createFakeApi({ answer: discovery });
  startAll(api);
  const made = ['default', 'kube-system', 'kube-public', 'kube-node-lease'].flatMap((name) => [
    api.seen(path(`/api/v1/namespaces/${name}/serviceaccounts`, 'create')),
    api.seen(path(`/api/v1/namespaces/${name}/configmaps`, 'create')),
  ]);
  await Promise.all(made);
  assert.equal(api.all(namespaces).length, 4);
  assert.ok(api.peek(serviceAccounts, { namespace: 'kube-public', name: 'default' }));
  const ca = api.peek(configMaps, { namespace: 'default', name: 'kube-root-ca.crt' });
  assert.deepEqual(ca?.data, { 'ca.crt': 'PEM' });
});

test('many nodes at once get blocks of their own', { timeout: 20_000 }, async () => {
  const api = createFakeApi({ answer: discovery });
  for (let at = 0; at < 30; at++) api.put(nodes, aNode(`n${at}`));
  startAll(api);
  await Promise.all(Array.from({ length: 30 }, (_, at) => api.seen(path(`/api/v1/nodes/n${at}`, 'patch'))));
  const blocks = api.all(nodes).map(({ spec }) => spec?.podCIDR);
  assert.equal(new Set(blocks).size, 30);
});

test('a service and its pods become one slice, and changes update it', { timeout: 10_000 }, async () => {
  const api = createFakeApi({ answer: discovery });
  api.put(namespaces, aNamespace('default'));
  api.put(services, aService('web'));
  startAll(api);
  await api.seen(path('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', 'create'));
  const [slice] = api.all(endpointSlices);
  assert.ok(slice);
  const updated = api.seen(
    path(`/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/${slice.metadata.name}`, 'update'),
  );
  api.put(pods, aPod('a', { ip: '10.244.0.5', metadata: { labels: { app: 'web' } } }));
  const { body } = await updated;
  assert.deepEqual(
    (body as typeof slice).endpoints?.map(({ addresses }) => addresses),
    [['10.244.0.5']],
  );
});

const counter = (name: string, plan: (data: ConfigMap) => Outcome, workers?: number): Controller => ({
  name,
  watches: [watch(configMaps, ({ metadata }) => [`${metadata.namespace}/${metadata.name}`])],
  ...(workers ? { workers } : {}),
  look: looksNoFurther,
  reconcile: (key, view) => {
    const object = view.get(configMaps, key);
    return object ? plan(object) : { actions: [] };
  },
});

const aConfigMap = (count: number): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'kube-root-ca.crt', namespace: 'default', uid: 'u' },
  data: { count: String(count) },
});

test('a loop sees its own writes: each number is written once', { timeout: 10_000 }, async () => {
  const api = createFakeApi();
  api.put(configMaps, aConfigMap(0));
  const count = counter('count', (object) => {
    const next = Number(object.data?.['count']) + 1;
    if (next > 20) return { actions: [] };
    const patch = { type: 'merge', body: { data: { count: String(next) } } } as const;
    return {
      actions: [
        {
          do: 'Patch',
          of: configMaps,
          at: { namespace: 'default', name: object.metadata.name },
          patch,
          because: 'next',
        },
      ],
      againInMs: 0,
    };
  });
  start(api, (parts) => runController(count, parts, stop.signal));
  const written = ({ verb, body }: FakeRequest) => verb === 'patch' && (body as ConfigMap).data?.['count'] === '20';
  await api.seen(written);
  const numbers = api.requests
    .filter(({ verb }) => verb === 'patch')
    .map(({ body }) => Number((body as ConfigMap).data?.['count']));
  assert.deepEqual(
    numbers,
    Array.from({ length: 20 }, (_, at) => at + 1),
  );
});

test('a write that fails is tried again, a conflict too', { timeout: 10_000 }, async () => {
  const api = createFakeApi();
  api.put(configMaps, aConfigMap(0));
  const isPatch = ({ verb }: FakeRequest): boolean => verb === 'patch';
  api.fail(isPatch, apiError('ServerError'), 2);
  api.fail(isPatch, apiError('Conflict'), 1);
  const once = counter('once', (object) => {
    if (object.data?.['count'] === '1') return { actions: [] };
    const patch = { type: 'merge', body: { data: { count: '1' } } } as const;
    return {
      actions: [
        {
          do: 'Patch',
          of: configMaps,
          at: { namespace: 'default', name: object.metadata.name },
          patch,
          because: 'one',
        },
      ],
    };
  });
  start(api, (parts) => runController(once, parts, stop.signal));
  const done = Promise.withResolvers<void>();
  const poll = setInterval(() => {
    if (api.peek(configMaps, { namespace: 'default', name: 'kube-root-ca.crt' })?.data?.['count'] === '1')
      done.resolve();
  }, 5);
  await done.promise;
  clearInterval(poll);
  assert.equal(api.requests.filter(isPatch).length, 4);
});

test('a deleted namespace is emptied and let go', { timeout: 10_000 }, async () => {
  const api = createFakeApi({
    answer: (request) => {
      if (request.method !== 'DELETE') return discovery(request);
      const [name, namespace] = ['x', 'leaving'];
      void api.delete(configMaps, { namespace, name });
      return {};
    },
  });
  api.put(configMaps, { ...aConfigMap(0), metadata: { name: 'x', namespace: 'leaving', uid: 'x' } });
  api.put(namespaces, aNamespace('leaving', { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['test/held'] }));
  startAll(api);
  const { body } = await api.seen(path('/api/v1/namespaces/leaving/finalize', 'update'));
  assert.deepEqual((body as { spec: unknown }).spec, { finalizers: [] });
  assert.deepEqual(
    api.all(configMaps).filter(({ metadata }) => metadata.namespace === 'leaving'),
    [],
  );
});
