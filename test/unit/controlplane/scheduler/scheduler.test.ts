// The scheduler against an API server in memory: pods are bound once, counted at once, explained when they wait, and tried again when it helps.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { createCache } from '../../../../controlplane/cache.ts';
import { createEventRecorder } from '../../../../controlplane/events.ts';
import { runScheduler, schedulerHolds } from '../../../../controlplane/scheduler/scheduler.ts';
import { systemClock as clock } from '../../../../host/clock.ts';
import { silentLog as log } from '../../../../host/log.ts';
import { events, nodes, pods } from '../../../../kube/resources.ts';
import type { KubeEvent, Pod } from '../../../../kube/types.ts';
import { aNode, aPod } from '../../../builders/control-plane.ts';
import { apiError, createFakeApi, type FakeApi, type FakeRequest } from '../../../fakes/api-client.ts';

let stop = new AbortController();
let work: Promise<unknown> = Promise.resolve();
afterEach(async () => {
  stop.abort();
  await work;
  stop = new AbortController();
});

interface Binding {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly target: { readonly name: string };
}

const isBinding = ({ path }: FakeRequest): boolean => path.endsWith('/binding');

/** An API server that binds pods. */
function bindingApi(): FakeApi {
  const api: FakeApi = createFakeApi({
    answer: ({ body }) => {
      const { metadata, target } = body as Binding;
      const pod = api.peek(pods, { namespace: 'default', name: metadata.name });
      if (!pod) throw apiError('NotFound');
      if (pod.spec.nodeName) throw apiError('Conflict', 'already assigned');
      api.put(pods, { ...pod, spec: { ...pod.spec, nodeName: target.name } });
      return {};
    },
  });
  return api;
}

function start(api: FakeApi): void {
  const held = schedulerHolds.map((of) => ({ of }));
  const cache = createCache(api, held, () => {});
  const recorder = createEventRecorder(api, 'default-scheduler', { clock, log });
  work = Promise.all([
    runScheduler({ client: api, cache, events: recorder, clock, log }, stop.signal),
    cache.run(stop.signal),
  ]);
}

const waiting = (name: string, cpu: string, spec: Partial<Pod['spec']> = {}): Pod => {
  const pod = aPod(name, {
    phase: 'Pending',
    ready: false,
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }], ...spec },
  });
  return pod;
};

const said = (reason: string) => (request: FakeRequest) =>
  request.verb === 'create' && request.path.endsWith('/events') && (request.body as KubeEvent).reason === reason;

test('a pod is bound, and an event says where', { timeout: 10_000 }, async () => {
  const api = bindingApi();
  api.put(nodes, aNode('a'));
  api.put(pods, waiting('p', '1'));
  start(api);
  const { body } = await api.seen(said('Scheduled'));
  const event = body as KubeEvent;
  assert.equal(event.message, 'Successfully assigned default/p to a');
  assert.deepEqual(event.involvedObject, {
    apiVersion: 'v1',
    kind: 'Pod',
    name: 'p',
    namespace: 'default',
    uid: 'uid-p',
  });
  assert.deepEqual(event.source, { component: 'default-scheduler' });
  assert.deepEqual(api.requests.find(isBinding)?.body, {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: 'p', namespace: 'default', uid: 'uid-p' },
    target: { apiVersion: 'v1', kind: 'Node', name: 'a' },
  });
});

test('many pods at once never get more than a node has, and each is bound once', { timeout: 20_000 }, async () => {
  const api = bindingApi();
  for (const name of ['a', 'b', 'c']) api.put(nodes, aNode(name));
  for (let at = 0; at < 40; at++) api.put(pods, waiting(`p${at}`, '500m'));
  start(api);
  for (let at = 0; at < 16; at++) {
    await api.seen(
      (request) =>
        said('FailedScheduling')(request) && (request.body as KubeEvent).involvedObject.name === `p${24 + at}`,
    );
  }
  const bound = api.all(pods).flatMap(({ spec }) => spec.nodeName ?? []);
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => bound.filter((one) => one === name).length),
    [8, 8, 8],
  );
  assert.equal(api.requests.filter(isBinding).length, 24);
});

test('a pod that waits is told why once, and gets its node when one comes', { timeout: 10_000 }, async () => {
  const api = bindingApi();
  api.put(nodes, aNode('small', { allocatable: { cpu: '1', pods: '10' } }));
  api.put(pods, waiting('p', '2'));
  start(api);
  const isStatus = ({ path }: FakeRequest): boolean => path.endsWith('/pods/p/status');
  const { body } = await api.seen(isStatus);
  const message =
    '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: ' +
    '0/1 nodes are available: 1 Preemption is not helpful for scheduling.';
  const [condition] = (body as { status: { conditions: Record<string, unknown>[] } }).status.conditions;
  assert.deepEqual(
    { ...condition, lastTransitionTime: '' },
    { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime: '' },
  );
  assert.equal((await api.seen(said('FailedScheduling'))).path, '/api/v1/namespaces/default/events');
  api.put(nodes, aNode('big'));
  await api.seen(isBinding);
  assert.equal(api.requests.filter(isStatus).length, 1);
  assert.equal(api.all(events).filter(({ reason }) => reason === 'FailedScheduling').length, 1);
});

test('a binding that fails is tried again; pods that are gated, foreign or finished are left alone', {
  timeout: 10_000,
}, async () => {
  const api = bindingApi();
  api.fail(isBinding, apiError('ServerError'));
  api.put(nodes, aNode('a'));
  api.put(pods, waiting('gated', '1', { schedulingGates: [{ name: 'g' }] }));
  api.put(pods, waiting('foreign', '1', { schedulerName: 'mine' }));
  api.put(pods, { ...waiting('finished', '1'), status: { phase: 'Failed' } });
  api.put(pods, waiting('p', '1'));
  start(api);
  await api.seen(said('Scheduled'));
  const asked = api.requests.filter(isBinding).map(({ body }) => (body as Binding).metadata.name);
  assert.deepEqual(asked, ['p', 'p']);
});

test('the more important pod goes first', { timeout: 10_000 }, async () => {
  const api = bindingApi();
  for (const [name, priority] of [
    ['low', 0],
    ['high', 1000],
    ['middle', 10],
  ] as const) {
    api.put(pods, waiting(name, '1', { priority }));
  }
  api.put(nodes, aNode('a'));
  start(api);
  await api.seen((request) => said('Scheduled')(request) && (request.body as KubeEvent).involvedObject.name === 'low');
  const asked = api.requests.filter(isBinding).map(({ body }) => (body as Binding).metadata.name);
  assert.deepEqual(asked, ['high', 'middle', 'low']);
});
