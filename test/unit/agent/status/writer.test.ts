// The status writer against an API server in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStatusWriter, type StatusWriter } from '../../../../agent/status/writer.ts';
import { silentLog } from '../../../../host/log.ts';
import { pods } from '../../../../kube/resources.ts';
import type { Pod, PodStatus } from '../../../../kube/types.ts';
import { desiredPod, uid } from '../../../builders/pod.ts';
import { apiError, createFakeApi, type FakeApi } from '../../../fakes/api-client.ts';
import { createFakeClock, type FakeClock } from '../../../fakes/clock.ts';

const at = { namespace: 'default', name: 'web' };
const statusPath = '/api/v1/namespaces/default/pods/web/status';
const running: PodStatus = {
  phase: 'Running',
  containerStatuses: [
    {
      name: 'main',
      image: 'busybox',
      imageID: '',
      ready: true,
      restartCount: 0,
      state: { running: { startedAt: '1970-01-01T00:00:01Z' } },
    },
  ],
  conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '1970-01-01T00:00:01Z' }],
};
const ended: PodStatus = {
  phase: 'Succeeded',
  containerStatuses: [
    {
      name: 'main',
      image: 'busybox',
      imageID: '',
      ready: false,
      restartCount: 0,
      state: { terminated: { exitCode: 0 } },
    },
  ],
};

interface Rig {
  readonly api: FakeApi;
  readonly clock: FakeClock;
  readonly writer: StatusWriter;
  /** Resolves when the API's pod is as wanted. */
  until(holds: (pod: Pod | undefined) => boolean): Promise<void>;
}

async function withWriter(body: (rig: Rig) => Promise<void>): Promise<void> {
  const api = createFakeApi();
  const clock = createFakeClock();
  const writer = createStatusWriter({
    client: api,
    log: silentLog,
    clock,
    apiPod: (namespace, name) => api.peek(pods, { namespace, name }),
  });
  const stop = new AbortController();
  const done = writer.run(stop.signal);
  const until: Rig['until'] = async (holds) => {
    for (let turns = 0; turns < 1000; turns++) {
      if (holds(api.peek(pods, at))) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.fail(`Not reached: ${JSON.stringify(api.peek(pods, at)?.status)}`);
  };
  try {
    await body({ api, clock, writer, until });
  } finally {
    stop.abort();
    await done;
  }
}

const patches = (api: FakeApi) => api.requests.filter(({ verb }) => verb === 'patch');

test('a published status is patched with the UID as precondition, and only the difference', async () => {
  await withWriter(async ({ api, writer, until }) => {
    const desired = desiredPod();
    api.put(pods, {
      ...desired.pod,
      status: { phase: 'Pending', qosClass: 'BestEffort', conditions: [{ type: 'mine', status: 'True' }] },
    });
    writer.publish(desired, { ...running, qosClass: 'BestEffort' });
    await until((pod) => pod?.status?.phase === 'Running');
    assert.deepEqual(patches(api), [
      {
        verb: 'patch',
        path: statusPath,
        body: {
          metadata: { uid },
          status: {
            phase: 'Running',
            containerStatuses: running.containerStatuses,
            conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '1970-01-01T00:00:01Z' }],
          },
        },
      },
    ]);
    assert.deepEqual(
      api.peek(pods, at)?.status?.conditions?.map(({ type }) => type),
      ['mine', 'Ready'],
    );
  });
});

test('a terminal phase is held back while a container runs', async () => {
  await withWriter(async ({ api, writer, until }) => {
    const desired = desiredPod();
    api.put(pods, { ...desired.pod, status: { phase: 'Running' } });
    writer.publish(desired, { ...running, phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory.' });
    await until((pod) => pod?.status?.containerStatuses !== undefined);
    assert.deepEqual([api.peek(pods, at)?.status?.phase, api.peek(pods, at)?.status?.reason], ['Running', undefined]);
    writer.publish(desired, { ...ended, phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory.' });
    await until((pod) => pod?.status?.phase === 'Failed');
    assert.equal(api.peek(pods, at)?.status?.reason, 'Evicted');
  });
});

test('a deleted pod is removed from the API once it is terminated and its last status is there', async () => {
  await withWriter(async ({ api, writer, until }) => {
    const { pod } = desiredPod();
    api.put(pods, { ...pod, spec: { ...pod.spec, nodeName: 'node-1' } });
    await api.delete(pods, at);
    const deleting = api.peek(pods, at);
    assert.ok(deleting?.metadata.deletionTimestamp);
    const desired = { uid, pod: deleting, source: 'api' } as const;
    writer.publish(desired, ended);
    await until((found) => found?.status?.phase === 'Succeeded');
    assert.equal(api.requests.filter(({ verb }) => verb === 'delete').length, 1);
    writer.markTerminated(uid);
    await until((found) => found === undefined);
    assert.deepEqual(api.requests.at(-1), {
      verb: 'delete',
      path: '/api/v1/namespaces/default/pods/web',
      body: { gracePeriodSeconds: 0, preconditions: { uid } },
    });
  });
});

test('what somebody else writes over our status is repaired within ten seconds', async () => {
  await withWriter(async ({ api, clock, writer, until }) => {
    const desired = desiredPod();
    api.put(pods, desired.pod);
    writer.publish(desired, running);
    await until((pod) => pod?.status?.phase === 'Running');
    await api.patch(pods, at, { type: 'merge', body: { status: { phase: 'Pending' } }, subresource: 'status' });
    await clock.advance(10_000);
    await until((pod) => pod?.status?.phase === 'Running');
  });
});

test('a write that fails is tried again at the next reconciliation', async () => {
  await withWriter(async ({ api, clock, writer, until }) => {
    const desired = desiredPod();
    api.put(pods, desired.pod);
    api.fail(({ verb }) => verb === 'patch', apiError('Unreachable'));
    writer.publish(desired, running);
    await api.seen(({ verb }) => verb === 'patch');
    assert.equal(api.peek(pods, at)?.status, undefined);
    await clock.advance(10_000);
    await until((pod) => pod?.status?.phase === 'Running');
  });
});

test('a pod of the same name with another UID is left alone', async () => {
  await withWriter(async ({ api, clock, writer }) => {
    const desired = desiredPod();
    api.put(pods, { ...desired.pod, metadata: { ...desired.pod.metadata, uid: 'another' } });
    writer.publish(desired, running);
    await api.seen(({ verb }) => verb === 'get');
    await clock.advance(30_000);
    assert.deepEqual(patches(api), []);
  });
});

test("a static pod's status goes to its mirror once that is there", async () => {
  await withWriter(async ({ api, clock, writer, until }) => {
    const { pod } = desiredPod({}, { annotations: { 'kubernetes.io/config.hash': 'h1' } });
    const mirror = { ...pod, metadata: { ...at, uid: 'mirror', annotations: { 'kubernetes.io/config.mirror': 'h1' } } };
    writer.publish({ uid, pod, source: 'file' }, running);
    api.put(pods, mirror);
    await clock.advance(10_000);
    await until((found) => found?.status?.phase === 'Running');
    const body = patches(api)[0]?.body as { metadata: unknown } | undefined;
    assert.deepEqual(body?.metadata, { uid: 'mirror' });
  });
});

test('only the newest of many statuses is written, and an unchanged one not at all', async () => {
  await withWriter(async ({ api, writer, until }) => {
    const desired = desiredPod();
    api.put(pods, desired.pod);
    for (let count = 0; count < 500; count++) writer.publish(desired, { ...running, observedGeneration: count + 1 });
    await until((pod) => pod?.status?.observedGeneration === 500);
    const written = patches(api).length;
    assert.ok(written < 10, `${written} patches for 500 statuses`);
    writer.publish(desired, { ...running, observedGeneration: 500 });
    await until((pod) => pod?.status?.observedGeneration === 500);
    assert.equal(patches(api).length, written);
  });
});
