// Objects that pods refer to: one watch each, tokens kept for most of their life.
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { createPodObjects, type PodObjectsRoom } from '../../../../agent/sources/objects.ts';
import { silentLog } from '../../../../host/log.ts';
import { configMaps, secrets, services } from '../../../../kube/resources.ts';
import type { ConfigMap, Secret, Service } from '../../../../kube/types.ts';
import { pod } from '../../../builders/pod.ts';
import { apiError, createFakeApi, type FakeRequest } from '../../../fakes/api-client.ts';
import { createFakeClock } from '../../../fakes/clock.ts';

const hourMs = 3_600_000;
const configMap = (name: string, data: Record<string, string>, over: Partial<ConfigMap> = {}): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', uid: `uid-${name}` },
  data,
  ...over,
});
const secret = (name: string): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'default', uid: `uid-${name}` },
});
const service = (name: string, namespace: string): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace, uid: `uid-${name}` },
  spec: {},
});

const clock = createFakeClock();
let ended = new AbortController();
afterEach(() => {
  ended.abort();
  ended = new AbortController();
});

function bed(answer?: (request: FakeRequest) => unknown) {
  const api = createFakeApi({ now: () => clock.now(), ...(answer ? { answer } : {}) });
  const objects: PodObjectsRoom = createPodObjects({ client: api, clock, log: silentLog });
  void objects.run(ended.signal);
  return { api, objects };
}

const lists = (requests: readonly FakeRequest[], plural: string): number =>
  requests.filter(({ verb, path }) => verb === 'list' && path.endsWith(`/${plural}`)).length;
const specOf = (request: FakeRequest | undefined) => (request?.body as { spec?: object } | undefined)?.spec;
const using = (name: string) => pod({ volumes: [{ name: 'v', configMap: { name } }] });

function nextChange(objects: PodObjectsRoom): Promise<string> {
  return new Promise((resolve) => {
    const stop = objects.onChange((kind, namespace, name) => {
      stop();
      resolve(`${kind} ${namespace}/${name}`);
    });
  });
}

describe('ConfigMaps and Secrets', () => {
  test('are listed once and watched from then on', async () => {
    const { api, objects } = bed();
    api.put(configMaps, configMap('a', { k: '1' }));
    assert.equal((await objects.configMap('default', 'a'))?.data?.['k'], '1');
    assert.equal(await objects.configMap('default', 'absent'), undefined);
    assert.equal(await objects.secret('default', 'a'), undefined);
    const changed = nextChange(objects);
    api.put(configMaps, configMap('a', { k: '2' }));
    assert.equal(await changed, 'ConfigMap default/a');
    assert.equal((await objects.configMap('default', 'a'))?.data?.['k'], '2');
    assert.equal(lists(api.requests, 'configmaps'), 2);
  });

  test('tell when they come and when they go', async () => {
    const { api, objects } = bed();
    assert.equal(await objects.secret('default', 's'), undefined);
    await api.seen(({ verb, path }) => verb === 'watch' && path.endsWith('/secrets'));
    const came = nextChange(objects);
    api.put(secrets, secret('s'));
    assert.equal(await came, 'Secret default/s');
    const went = nextChange(objects);
    await api.delete(secrets, { namespace: 'default', name: 's' });
    await went;
    assert.equal(await objects.secret('default', 's'), undefined);
  });

  test('that the API does not answer for are an error after a second, in upstream words', async () => {
    const { api, objects } = bed();
    api.fail(({ path }) => path.endsWith('/secrets'), apiError('Forbidden'), 1000);
    const read = assert.rejects(objects.secret('default', 's'), {
      name: 'ApiError',
      message: 'failed to sync secret cache: timed out waiting for the condition',
    });
    await clock.advance(1000);
    await read;
  });

  test('that no pod uses any more are not watched any more', async () => {
    const { api, objects } = bed();
    api.put(configMaps, configMap('a', {}));
    await objects.configMap('default', 'a');
    objects.retain([using('a')]);
    await objects.configMap('default', 'a');
    assert.equal(lists(api.requests, 'configmaps'), 1);
    objects.retain([using('b')]);
    await objects.configMap('default', 'a');
    assert.equal(lists(api.requests, 'configmaps'), 2);
  });

  test('that nobody has read for five minutes are watched again when somebody does', async () => {
    const { api, objects } = bed();
    await objects.configMap('default', 'a');
    await clock.advance(301_000);
    objects.retain([using('a')]);
    await objects.configMap('default', 'a');
    assert.equal(lists(api.requests, 'configmaps'), 2);
  });

  test('that can never change are not watched at all', async () => {
    const { api, objects } = bed();
    api.put(configMaps, configMap('fixed', { k: '1' }, { immutable: true }));
    await objects.configMap('default', 'fixed');
    await new Promise((resolve) => setImmediate(resolve));
    let told = 0;
    objects.onChange(() => told++);
    api.put(configMaps, configMap('fixed', { k: '2' }, { immutable: true }));
    await clock.advance(0);
    assert.equal((await objects.configMap('default', 'fixed'))?.data?.['k'], '1');
    assert.equal(told, 0);
  });
});

test('services are those of the namespace, and the API server itself', async () => {
  const { api, objects } = bed();
  for (const [name, namespace] of [
    ['kubernetes', 'default'],
    ['other', 'default'],
    ['mine', 'shop'],
  ] as const) {
    api.put(services, service(name, namespace));
  }
  assert.throws(() => objects.services('shop'), {
    message: 'services have not yet been read at least once, cannot construct envvars',
  });
  await clock.advance(0);
  assert.deepEqual(
    objects.services('shop').map(({ metadata }) => metadata.name),
    ['kubernetes', 'mine'],
  );
});

describe('service account tokens', () => {
  function tokenBed() {
    let issued = 0;
    const { api, objects } = bed(({ body }) => {
      const { spec } = body as { spec: { expirationSeconds: number } };
      const expirationTimestamp = new Date(clock.now() + spec.expirationSeconds * 1000).toISOString();
      return { status: { token: `token-${++issued}`, expirationTimestamp } };
    });
    return { api, objects, subject: pod({ serviceAccountName: 'robot' }) };
  }

  test('are asked for by name, bound to the pod, and kept', async () => {
    const { api, objects, subject } = tokenBed();
    assert.equal(await objects.serviceAccountToken(subject, '', 3607), 'token-1');
    assert.equal(await objects.serviceAccountToken(subject, '', 3607), 'token-1');
    assert.equal(await objects.serviceAccountToken(subject, 'vault', 3607), 'token-2');
    const [first, second] = api.requests.filter(({ verb }) => verb === 'post');
    assert.equal(first?.path, '/api/v1/namespaces/default/serviceaccounts/robot/token');
    assert.deepEqual(first?.body, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: [],
        expirationSeconds: 3607,
        boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'web', uid: subject.metadata.uid },
      },
    });
    assert.deepEqual(specOf(second), {
      ...specOf(first),
      audiences: ['vault'],
    });
  });

  test('are asked for once by many at the same time', async () => {
    const { objects, subject } = tokenBed();
    const asked = Array.from({ length: 5 }, () => objects.serviceAccountToken(subject, '', 3600));
    assert.deepEqual(new Set(await Promise.all(asked)), new Set(['token-1']));
  });

  test('are renewed after 80 % of their life, and used to their end where that fails', async () => {
    const { api, objects, subject } = tokenBed();
    await objects.serviceAccountToken(subject, '', 3600);
    await clock.advance(0.79 * hourMs);
    assert.equal(await objects.serviceAccountToken(subject, '', 3600), 'token-1');
    await clock.advance(0.02 * hourMs);
    api.fail(({ verb }) => verb === 'post', apiError('Unreachable'), 2);
    assert.equal(await objects.serviceAccountToken(subject, '', 3600), 'token-1');
    await clock.advance(0.2 * hourMs);
    await assert.rejects(objects.serviceAccountToken(subject, '', 3600), { reason: 'Unreachable' });
    assert.equal(await objects.serviceAccountToken(subject, '', 3600), 'token-2');
  });

  test('of pods that are gone are forgotten', async () => {
    const { objects, subject } = tokenBed();
    await objects.serviceAccountToken(subject, '', 3600);
    objects.retain([subject]);
    assert.equal(await objects.serviceAccountToken(subject, '', 3600), 'token-1');
    objects.retain([]);
    assert.equal(await objects.serviceAccountToken(subject, '', 3600), 'token-2');
  });
});
