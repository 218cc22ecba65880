// Who may ask the kubelet API for what: the status codes of every kind of caller, through real TLS.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { bearerToken, createAuthentication, subjectUser } from '../../../../agent/server/authentication.ts';
import { createAuthorization } from '../../../../agent/server/authorization.ts';
import { systemClock } from '../../../../host/clock.ts';
import { createAuthority } from '../../../rig/server/certificates.ts';
import { scriptedEngine } from '../../../rig/server/engine.ts';
import { ask, reviewer, startKubeletServer, type TestServer } from '../../../rig/server/kubelet-server.ts';

const paths = ['/healthz', '/pods', '/configz', '/containerLogs/default/web/app'] as const;

/** Which "verb subresource" each user may. */
const rules: Readonly<Record<string, readonly string[]>> = {
  healthz: ['get healthz'],
  configz: ['get configz'],
  pods: ['get pods'],
  proxy: ['get proxy'],
  'proxy-create': ['create proxy'],
  nothing: [],
};

let kubelet: TestServer;
before(async () => {
  const client = reviewer(
    (user, verb, subresource) =>
      user === 'broken' ? 'unreachable' : (rules[user]?.includes(`${verb} ${subresource}`) ?? false),
    [...Object.keys(rules), 'broken'],
  );
  kubelet = await startKubeletServer({ engine: scriptedEngine(async () => 0), client });
});
after(() => kubelet.stop());

const withToken = (token: string) => ({ ...kubelet.nobody, headers: { Authorization: `Bearer ${token}` } });
const codes = (options: object) => Promise.all(paths.map(async (path) => (await ask({ ...options, path })).code));

describe('access to the kubelet API', { timeout: 30_000 }, () => {
  for (const [who, expected] of [
    ['healthz', [200, 403, 403, 403]],
    ['configz', [403, 403, 200, 403]],
    ['pods', [403, 200, 403, 403]],
    ['proxy', [200, 200, 200, 200]],
    ['proxy-create', [403, 403, 403, 403]],
    ['nothing', [403, 403, 403, 403]],
    ['broken', [500, 500, 500, 500]],
    ['unknown', [401, 401, 401, 401]],
  ] as const) {
    it(`answers ${expected} to the token of "${who}"`, async () => {
      assert.deepEqual(await codes(withToken(who)), expected);
    });
    it(`answers the same to a certificate of "${who}"`, async () => {
      const options = kubelet.clientWith(await kubelet.authority.issue(`CN=${who}`));
      assert.deepEqual(await codes(options), who === 'unknown' ? [403, 403, 403, 403] : expected);
    });
  }

  it('answers 401 to nobody, to a strange authority, an expired certificate and a server’s certificate', async () => {
    const strange = await createAuthority('CN=test-ca');
    for (const options of [
      kubelet.nobody,
      kubelet.clientWith(await strange.issue('CN=proxy')),
      kubelet.clientWith(await kubelet.authority.issue('CN=proxy', { notAfter: new Date(Date.now() - 60_000) })),
      kubelet.clientWith(await kubelet.authority.issue('CN=proxy', { usage: 'server' })),
    ]) {
      const { code, body } = await ask({ ...options, path: '/pods' });
      assert.deepEqual([code, body], [401, 'Unauthorized']);
    }
  });

  it('names user, verb and subresources in a refusal', async () => {
    const { body } = await ask({ ...withToken('nothing'), path: '/pods' });
    assert.equal(body, 'Forbidden (user=nothing, verb=get, resource=nodes, subresource(s)=[pods proxy])\n');
  });

  for (const path of [
    '/pods/../exec/default/web/app',
    '/%2e%2e/pods',
    '//pods',
    '/pods%2f..%2fexec',
    '/%zz',
    '/a%00b',
  ]) {
    it(`answers 400 to the path ${path}`, async () => {
      assert.equal((await ask({ ...withToken('proxy'), path })).code, 400);
    });
  }

  for (const [path, code] of [
    ['/nothing', 404],
    ['/exec/default', 404],
    ['/%70ods', 200],
    ['/pods?x=1', 200],
  ] as const) {
    it(`answers ${code} to the path ${path}`, async () => {
      assert.equal((await ask({ ...withToken('proxy'), path })).code, code);
    });
  }

  it('answers 405 to a method that a path does not have', async () => {
    assert.equal((await ask({ ...withToken('proxy-create'), method: 'POST', path: '/pods' })).code, 405);
  });

  it('survives rubbish, half a handshake and a request that is cut', async () => {
    for (const bytes of ['\0\0\0rubbish', 'GET /pods HTTP/1.1\r\nHost: x\r\nUpgr']) {
      const socket = connect({ host: '127.0.0.1', port: kubelet.server.port, ca: kubelet.authority.cert });
      await new Promise<void>((resolve) => socket.once('secureConnect', resolve));
      socket.on('error', () => {});
      socket.write(bytes, () => socket.destroy());
      await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    }
    assert.equal((await ask({ ...withToken('proxy'), path: '/healthz' })).body, 'ok');
  });
});

describe('bearer tokens and subjects', () => {
  for (const [header, token] of [
    [undefined, undefined],
    ['Bearer abc', 'abc'],
    ['bearer   abc', 'abc'],
    ['Basic abc', undefined],
    ['Bearer a,b', undefined],
    ['Bearer', undefined],
  ] as const) {
    it(`reads ${token} from "${header}"`, () => assert.equal(bearerToken(header), token));
  }

  for (const [subject, user] of [
    [
      { CN: 'a', O: 'x' },
      { name: 'a', groups: ['x', 'system:authenticated'] },
    ],
    [
      { CN: ['a', 'b'], O: ['x', 'y'] },
      { name: 'b', groups: ['x', 'y', 'system:authenticated'] },
    ],
    [{ CN: 'a' }, { name: 'a', groups: ['system:authenticated'] }],
    [{ O: 'x' }, undefined],
  ] as const) {
    it(`reads the subject ${JSON.stringify(subject)}`, () => {
      assert.deepEqual(subjectUser({ subject } as unknown as Parameters<typeof subjectUser>[0]), user);
    });
  }
});

describe('remembered answers', () => {
  it('asks about a token again after two minutes, and about a denial after 30 seconds', async () => {
    let nowMs = 0;
    const clock = { ...systemClock, now: () => nowMs };
    const client = reviewer(() => false);
    const authenticate = createAuthentication(client, clock);
    const authorize = createAuthorization('Webhook', client, 'n', clock);
    const req = { headers: { authorization: 'Bearer alice' }, socket: {} } as Parameters<typeof authenticate>[0];
    const turn = async (): Promise<number> => {
      const user = await authenticate(req);
      assert.deepEqual(user, { name: 'alice', groups: ['system:authenticated'] });
      await authorize(user, { verb: 'get', subresources: ['proxy'] });
      return client.asked.length;
    };
    assert.equal(await turn(), 2);
    nowMs = 29_000;
    assert.equal(await turn(), 2);
    nowMs = 31_000;
    assert.equal(await turn(), 3);
    nowMs = 121_000;
    assert.equal(await turn(), 5);
  });
});
