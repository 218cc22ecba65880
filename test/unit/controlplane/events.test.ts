// Events are written once, counted when they repeat, begun again when they were forgotten, and never stop anybody.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEventRecorder, type Said } from '../../../controlplane/events.ts';
import { silentLog as log } from '../../../host/log.ts';
import { events } from '../../../kube/resources.ts';
import { aNode, aPod } from '../../builders/control-plane.ts';
import { apiError, createFakeApi } from '../../fakes/api-client.ts';

const nowMs = Date.parse('2026-01-01T00:00:00Z');
const clock = { now: () => nowMs, sleep: async () => {} };
const said: Said = {
  about: aPod('p'),
  type: 'Warning',
  reason: 'FailedScheduling',
  message: 'no',
  action: 'Scheduling',
};

function recorder() {
  const api = createFakeApi();
  return { api, record: createEventRecorder(api, 'default-scheduler', { clock, log }) };
}

test('the first time an event is made, after that it is counted', async () => {
  const { api, record } = recorder();
  for (let at = 0; at < 3; at++) record.say(said);
  await record.flush();
  const [event, ...more] = api.all(events);
  assert.deepEqual(more, []);
  const { metadata, ...rest } = event ?? assert.fail('no event');
  assert.match(metadata.name, /^p\.[0-9a-f]{16}$/);
  assert.deepEqual(rest, {
    apiVersion: 'v1',
    kind: 'Event',
    involvedObject: { apiVersion: 'v1', kind: 'Pod', name: 'p', namespace: 'default', uid: 'uid-p' },
    type: 'Warning',
    reason: 'FailedScheduling',
    message: 'no',
    action: 'Scheduling',
    source: { component: 'default-scheduler' },
    reportingComponent: 'default-scheduler',
    reportingInstance: 'default-scheduler',
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    count: 3,
  });
});

test('events about nodes stand in the default namespace', async () => {
  const { api, record } = recorder();
  record.say({ about: aNode('n'), type: 'Normal', reason: 'NodeNotReady', message: 'gone' });
  await record.flush();
  assert.equal(api.all(events)[0]?.metadata.namespace, 'default');
});

test('an event that was forgotten begins again; one that is refused is dropped', async () => {
  const { api, record } = recorder();
  record.say(said);
  await record.flush();
  const [first] = api.all(events);
  await api.delete(events, { namespace: 'default', name: first?.metadata.name ?? '' });
  record.say(said);
  await record.flush();
  assert.deepEqual(
    api.all(events).map(({ count }) => count),
    [1],
  );
  api.fail(({ verb }) => verb === 'create', apiError('Forbidden'));
  record.say({ ...said, reason: 'Other' });
  await record.flush();
  assert.equal(api.all(events).length, 1);
});

test('words are cut to what the API takes', async () => {
  const { api, record } = recorder();
  record.say({ ...said, message: 'x'.repeat(2000) });
  await record.flush();
  assert.equal(api.all(events)[0]?.message?.length, 1024);
});
