// needs docker. The kubelet API on real containers: logs, exec, attach and port-forward into a pod's own network.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectEngine } from '../../agent/docker/connect.ts';
import type { Engine } from '../../agent/docker/engine.ts';
import type { ObservedSandbox } from '../../agent/model.ts';
import type { Pod } from '../../kube/types.ts';
import { ask, lookup, observedContainer, startKubeletServer, type TestServer } from '../rig/server/kubelet-server.ts';
import { type ClientStream, type SpdyClient, spdyClient, upgradeToSpdy } from '../rig/server/spdy-client.ts';

let engine: Engine;
let kubelet: TestServer;
const made: string[] = [];

async function start(
  name: string,
  script: string,
  more: { tty?: boolean; openStdin?: boolean; networkMode?: string } = {},
) {
  const network = more.networkMode ? {} : { networkDisabled: true };
  const plan = { name, image: 'busybox:test', labels: {}, entrypoint: ['sh', '-c', script], stopSignal: 'SIGKILL' };
  const id = await engine.createContainer({ ...plan, ...network, ...more });
  made.push(id);
  await engine.startContainer(id);
  return engine.inspectContainer(id);
}

const longLine = 'x'.repeat(40_000);
const talk = `echo one; echo two >&2; sleep 0.2; printf '%s\\n' ${longLine}; echo last; sleep 1000`;
const chatter = 'i=0; while [ $i -lt 5 ]; do echo tick $i; i=$((i+1)); sleep 0.1; done';

before(async () => {
  engine = await connectEngine(process.env['NODELET_TEST_DOCKER'] ?? '');
  const sandbox = await start(
    'sandbox',
    'ip link set lo up; nc -ll -p 8080 -e cat & nc -ll -p 8081 -e yes & sleep 1000',
  );
  // Without CAP_NET_ADMIN inside, the loopback link is raised from here, as the pod network does.
  execFileSync('nsenter', [`--net=/proc/${sandbox.pid}/ns/net`, 'ip', 'link', 'set', 'lo', 'up']);
  const networkMode = `container:${sandbox.id}`;
  const app = await start('app', talk, { networkMode });
  const chat = await start('chat', chatter, { networkMode });
  const dead = await start('dead', 'echo dying words; exit 3', { networkMode });
  const term = await start('term', 'stty -echo; read line; echo got $line; stty size', {
    networkMode,
    tty: true,
    openStdin: true,
  });
  const status = (name: string, id: string, state: object) => ({
    ...{ name, image: 'busybox', imageID: '', ready: true, restartCount: 0, containerID: `docker://${id}`, state },
  });
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default', uid: 'uid-1' },
    spec: {
      containers: [{ name: 'app' }, { name: 'chat' }, { name: 'dead' }, { name: 'term', tty: true, stdin: true }],
    },
    status: {
      containerStatuses: [
        {
          ...status('app', app.id, { running: {} }),
          lastState: { terminated: { exitCode: 3, containerID: `docker://${dead.id}` } },
        },
        status('chat', chat.id, { running: {} }),
        status('dead', dead.id, { terminated: { exitCode: 3, containerID: `docker://${dead.id}` } }),
      ],
    },
  };
  const sandboxes: ObservedSandbox[] = [
    { id: sandbox.id, attempt: 0, phase: 'running', createdAtMs: 0, pid: sandbox.pid, hostNetwork: false, ips: [] },
  ];
  const containers = [observedContainer('app', { id: app.id }), observedContainer('term', { id: term.id })];
  kubelet = await startKubeletServer({ engine, pods: lookup(pod, { sandboxes, containers }) });
});

after(async () => {
  await kubelet?.stop();
  for (const id of made.reverse()) await engine.removeContainer(id);
});

const logs = async (container: string, query = ''): Promise<string> =>
  (await ask({ ...kubelet.admin, path: `/containerLogs/default/web/${container}?${query}` })).body;

async function spdy(path: string, protocol = 'v4.channel.k8s.io'): Promise<SpdyClient> {
  const answer = await upgradeToSpdy({ ...kubelet.admin, path }, protocol);
  assert.equal(answer.code, 101, answer.body);
  assert.ok(answer.socket);
  return spdyClient(answer.socket);
}

async function exec(script: string, flags: string, types: string[]): Promise<Map<string, ClientStream>> {
  const command = ['sh', '-c', script].map((word) => `command=${encodeURIComponent(word)}`).join('&');
  const client = await spdy(`/exec/default/web/app?${command}&${flags}`);
  const streams = new Map<string, ClientStream>();
  for (const streamtype of types) streams.set(streamtype, await client.open({ streamtype }));
  return streams;
}

const text = async (stream: ClientStream | undefined): Promise<string> => (await stream?.received())?.toString() ?? '';

describe('logs of a real container', { timeout: 60_000 }, () => {
  it('come whole, both streams', async () => {
    let all = await logs('app');
    for (let i = 0; i < 100 && !all.includes('last'); i++, all = await logs('app')) await sleep(50);
    const lines = all.split('\n');
    assert.deepEqual(lines.slice(0, 2).sort(), ['one', 'two']);
    assert.deepEqual(lines.slice(2), [longLine, 'last', '']);
  });

  it('carry one stamp per line, also where a line is long', async () => {
    const lines = (await logs('app', 'timestamps=true')).split('\n').slice(0, -1);
    const stamped = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /;
    assert.deepEqual(lines.map((line) => [stamped.test(line), line.replace(stamped, '').length]).slice(2), [
      [true, 40_000],
      [true, 4],
    ]);
  });

  it('end where tail, bytes and time say', async () => {
    assert.equal(await logs('app', 'tailLines=1'), 'last\n');
    assert.equal(await logs('app', 'tailLines=0'), '');
    assert.equal((await logs('app', 'limitBytes=10')).length, 10);
    assert.equal(await logs('app', 'sinceTime=2099-01-01T00:00:00Z'), '');
    const stamps = (await logs('app', 'timestamps=true')).split('\n');
    const since = stamps.at(-2)?.split(' ')[0] ?? '';
    assert.equal(await logs('app', `sinceTime=${since}`), 'last\n');
  });

  it('are the dead one’s for a dead container and for previous', async () => {
    assert.equal(await logs('dead'), 'dying words\n');
    assert.equal(await logs('app', 'previous=true'), 'dying words\n');
  });

  it('are followed until the container ends', async () => {
    assert.equal(await logs('chat', 'follow=true'), 'tick 0\ntick 1\ntick 2\ntick 3\ntick 4\n');
  });

  it('are let go when a follower leaves', async () => {
    const req = httpsRequest({ ...kubelet.admin, agent: false, path: '/containerLogs/default/web/app?follow=true' });
    req.end();
    const [res] = await once(req, 'response');
    await once(res, 'data');
    res.destroy();
    assert.equal(await logs('app', 'tailLines=1'), 'last\n');
  });
});

describe('exec in a real container', { timeout: 60_000 }, () => {
  it('gives output, errors and exit code', async () => {
    const streams = await exec('echo out; echo err >&2; exit 42', 'output=1&error=1', ['error', 'stdout', 'stderr']);
    assert.equal(await text(streams.get('stdout')), 'out\n');
    assert.equal(await text(streams.get('stderr')), 'err\n');
    assert.equal(JSON.parse(await text(streams.get('error'))).details.causes[0].message, '42');
  });

  it('reads input to its end and loses no output', async () => {
    const streams = await exec('md5sum; dd if=/dev/zero bs=100k count=100 2>/dev/null', 'input=1&output=1', [
      ...['error', 'stdin', 'stdout'],
    ]);
    streams.get('stdin')?.send(Buffer.alloc(5_000_000, 'a'));
    streams.get('stdin')?.finish();
    const out = (await streams.get('stdout')?.received()) ?? Buffer.alloc(0);
    assert.equal(out.length, 36 + 10_240_000);
    assert.equal(JSON.parse(await text(streams.get('error'))).status, 'Success');
  });

  it('gives a terminal of the size asked for', async () => {
    const streams = await exec('sleep 0.5; stty size', 'output=1&tty=1', ['error', 'stdout', 'resize']);
    streams.get('resize')?.send('{"Width":123,"Height":45}');
    assert.equal(await text(streams.get('stdout')), '45 123\r\n');
  });

  it('says why a program could not be started', async () => {
    const client = await spdy('/exec/default/web/app?command=/nothing&output=1&error=1');
    const error = await client.open({ streamtype: 'error' });
    const out = await client.open({ streamtype: 'stdout' });
    await client.open({ streamtype: 'stderr' });
    assert.match(await text(out), /no such file or directory/);
    assert.match(await text(error), /"ExitCode","message":"12[67]"/);
  });

  it('serves 30 at once', async () => {
    const one = async (i: number): Promise<string> =>
      text((await exec(`echo ${i}`, 'output=1', ['error', 'stdout'])).get('stdout'));
    const all = await Promise.all(Array.from({ length: 30 }, (_, i) => one(i)));
    assert.deepEqual(
      all,
      Array.from({ length: 30 }, (_, i) => `${i}\n`),
    );
  });
});

describe('attach to a real container', { timeout: 60_000 }, () => {
  it('talks to its terminal until it ends', async () => {
    const client = await spdy('/attach/default/web/term?input=1&output=1');
    const error = await client.open({ streamtype: 'error' });
    const stdin = await client.open({ streamtype: 'stdin' });
    const stdout = await client.open({ streamtype: 'stdout' });
    const resize = await client.open({ streamtype: 'resize' });
    resize.send('{"Width":99,"Height":33}');
    await sleep(300);
    stdin.send('hello\n');
    assert.match(await text(stdout), /got hello\r\n33 99\r\n$/);
    assert.equal(await text(error), '{"metadata":{},"status":"Success"}');
  });
});

describe('port-forward into a real pod', { timeout: 60_000 }, () => {
  async function pair(client: SpdyClient, port: number, requestid: string) {
    const error = await client.open({ streamtype: 'error', port: `${port}`, requestid });
    error.finish();
    return { error, data: await client.open({ streamtype: 'data', port: `${port}`, requestid }) };
  }

  it('reaches what listens on the pod’s loopback address, in both directions', async () => {
    const client = await spdy('/portForward/default/web', 'portforward.k8s.io');
    for (const id of ['0', '1', '2']) {
      const { data, error } = await pair(client, 8080, id);
      data.send(`hello ${id}`);
      data.finish();
      assert.equal(await text(data), `hello ${id}`);
      assert.equal(await text(error), '');
    }
    const refused = await pair(client, 9, '3');
    assert.match(await text(refused.error), /ECONNREFUSED/);
    client.socket.destroy();
  });

  it('moves data fast and lets a flood go when the caller leaves', async (t) => {
    const client = await spdy('/portForward/default/web', 'portforward.k8s.io');
    const { data } = await pair(client, 8081, '0');
    const size = (): number => data.pieces.splice(0).reduce((sum, piece) => sum + piece.length, 0);
    const began = performance.now();
    let bytes = 0;
    while (performance.now() - began < 1000) {
      await sleep(20);
      bytes += size();
    }
    t.diagnostic(`${(bytes / 1e6).toFixed(0)} MB in one second, client and server in one process`);
    client.socket.destroy();
    assert.ok(bytes > 1e6);
  });
});

describe('a caller that the certificate authority does not know', () => {
  it('is refused by curl’s own account too', async () => {
    const curl = spawn('curl', [
      '-sk',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      `https://127.0.0.1:${kubelet.server.port}/pods`,
    ]);
    const [code] = await once(curl.stdout, 'data');
    assert.equal(String(code), '401');
  });
});
