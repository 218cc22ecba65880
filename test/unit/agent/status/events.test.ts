// Events against an API server in memory: counted, combined, silenced, and sent when the server is back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEventSink } from '../../../../agent/status/events.ts';
import { type Log, silentLog } from '../../../../host/log.ts';
import { ApiError } from '../../../../kube/errors.ts';
import { events } from '../../../../kube/resources.ts';
import { pod, uid } from '../../../builders/pod.ts';
import { apiError, createFakeApi } from '../../../fakes/api-client.ts';
import { createFakeClock } from '../../../fakes/clock.ts';

function rig() {
  const clock = createFakeClock(1_700_000_000_000);
  const api = createFakeApi();
  return { api, clock, sink: createEventSink(api, 'node-1', silentLog, clock) };
}

test('an event about a container carries everything that kubectl describe shows', async () => {
  const { api, sink } = rig();
  sink.pod(pod({}, { resourceVersion: '7' }), {
    type: 'Normal',
    reason: 'Started',
    message: 'Container started',
    container: 'spec.containers{main}',
  });
  await sink.flushed();
  const [{ metadata, ...event } = assert.fail()] = api.all(events);
  assert.match(metadata.name, /^web\.[0-9a-f]+$/);
  assert.equal(metadata.namespace, 'default');
  assert.deepEqual(event, {
    apiVersion: 'v1',
    kind: 'Event',
    involvedObject: {
      apiVersion: 'v1',
      kind: 'Pod',
      namespace: 'default',
      name: 'web',
      uid,
      resourceVersion: '7',
      fieldPath: 'spec.containers{main}',
    },
    reason: 'Started',
    message: 'Container started',
    type: 'Normal',
    source: { component: 'kubelet', host: 'node-1' },
    firstTimestamp: '2023-11-14T22:13:20Z',
    lastTimestamp: '2023-11-14T22:13:20Z',
    count: 1,
    reportingComponent: 'kubelet',
    reportingInstance: 'node-1',
  });
});

test('the same event again is counted, and made anew when the API has forgotten it', async () => {
  const { api, clock, sink } = rig();
  const event = { type: 'Warning', reason: 'BackOff', message: 'Back-off restarting failed container' } as const;
  sink.pod(pod(), event);
  await clock.advance(60_000);
  sink.pod(pod(), event);
  await sink.flushed();
  const [only = assert.fail(), ...others] = api.all(events);
  assert.deepEqual([only.count, only.lastTimestamp, others], [2, '2023-11-14T22:14:20Z', []]);
  await api.delete(events, { namespace: 'default', name: only.metadata.name });
  sink.pod(pod(), event);
  await sink.flushed();
  assert.deepEqual(
    api.all(events).map(({ count }) => count),
    [1],
  );
});

test('from the tenth different message on similar events are combined', async () => {
  const { api, sink } = rig();
  for (let at = 0; at < 12; at++) sink.pod(pod(), { type: 'Warning', reason: 'Unhealthy', message: `failed ${at}` });
  await sink.flushed();
  const found = api.all(events);
  assert.equal(found.length, 10);
  assert.deepEqual(
    found.slice(-1).map(({ message, count }) => [message, count]),
    [['(combined from similar events): failed 11', 3]],
  );
});

test('an object that says too much is silenced; others are heard', async () => {
  const { api, clock, sink } = rig();
  for (let at = 0; at < 40; at++) sink.pod(pod(), { type: 'Normal', reason: `Reason${at}`, message: '' });
  sink.node({ type: 'Normal', reason: 'Starting', message: 'Starting kubelet.' });
  await sink.flushed();
  assert.equal(api.all(events).length, 26);
  await clock.advance(300_000);
  sink.pod(pod(), { type: 'Normal', reason: 'Later', message: '' });
  sink.pod(pod(), { type: 'Normal', reason: 'TooMuch', message: '' });
  await sink.flushed();
  assert.deepEqual(
    api
      .all(events)
      .slice(26)
      .map(({ reason }) => reason),
    ['Later'],
  );
});

test("a node's event lives in the default namespace and carries its name for a UID", async () => {
  const { api, sink } = rig();
  sink.node({ type: 'Normal', reason: 'NodeReady', message: 'Node node-1 status is now: NodeReady' });
  await sink.flushed();
  const [event] = api.all(events);
  assert.deepEqual(
    [event?.metadata.namespace, event?.involvedObject],
    ['default', { kind: 'Node', name: 'node-1', uid: 'node-1' }],
  );
});

test('what was said while the server was away is sent when it is back; what it refuses is given up', async () => {
  const { api, clock, sink } = rig();
  api.fail(({ verb }) => verb === 'create', apiError('Unreachable'), 3);
  sink.node({ type: 'Normal', reason: 'Starting', message: '' });
  await clock.advance(30_000);
  await sink.flushed();
  assert.equal(api.all(events).length, 1);
  api.fail(({ verb }) => verb === 'create', apiError('Invalid'));
  sink.node({ type: 'Normal', reason: 'Refused', message: '' });
  sink.node({ type: 'Normal', reason: 'Next', message: '' });
  await sink.flushed();
  assert.deepEqual(
    api.all(events).map(({ reason }) => reason),
    ['Starting', 'Next'],
  );
});

test('a namespace that is going away takes no events, and nobody is told', async () => {
  const api = createFakeApi();
  const warnings: unknown[] = [];
  const log = { warn: (words: unknown) => void warnings.push(words) } as unknown as Log;
  const sink = createEventSink(api, 'node-1', log, createFakeClock(0));
  const details = { causes: [{ reason: 'NamespaceTerminating', field: 'metadata.namespace' }] };
  const status = {
    kind: 'Status' as const,
    apiVersion: 'v1' as const,
    status: 'Failure' as const,
    reason: 'Forbidden',
    details,
  };
  api.fail(() => true, new ApiError('refused', { reason: 'Forbidden', code: 403, status }));
  sink.pod(pod(), { type: 'Normal', reason: 'Killing', message: '' });
  await sink.flushed();
  assert.deepEqual(warnings, []);
});

test('a server that is away for long fills no memory', async () => {
  const { api, sink } = rig();
  api.fail(() => true, apiError('Unreachable'), Number.POSITIVE_INFINITY);
  for (let at = 0; at < 5000; at++) {
    sink.pod(pod({}, { uid: `uid-${at}` }), { type: 'Normal', reason: 'Started', message: '' });
  }
  sink.stop();
  await sink.flushed();
  assert.ok(api.requests.length <= 2);
});
