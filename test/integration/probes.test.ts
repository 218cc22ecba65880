// needs docker: probes against real servers, real programs in containers, and real silence.
import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectEngine } from '../../agent/docker/connect.ts';
import type { Engine } from '../../agent/docker/engine.ts';
import { probeExec } from '../../agent/probes/exec.ts';
import { probeGrpc } from '../../agent/probes/grpc.ts';
import { probeHttp } from '../../agent/probes/http.ts';
import type { Attempt } from '../../agent/probes/model.ts';
import { createProbes } from '../../agent/probes/probes.ts';
import { probeTcp } from '../../agent/probes/tcp.ts';
import { systemClock } from '../../host/clock.ts';
import { silentLog } from '../../host/log.ts';
import type { Container, Probe } from '../../kube/types.ts';
import { container, desiredPod, observedContainer, observedPod, observedSandbox } from '../builders/pod.ts';

const never = new AbortController().signal;

function attempt(probe: Probe, over: Partial<Container> = {}, containerId = '', timeoutMs = 1000): Attempt {
  return { containerId, container: container('main', over), probe, ip: '127.0.0.1', timeoutMs };
}

const portOf = (server: { address(): AddressInfo | string | null }): number => (server.address() as AddressInfo).port;

async function listening<S extends Server | TcpServer>(server: S): Promise<S> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

describe('an HTTP probe', () => {
  let server: Server;
  let port: number;
  let asked: { url: string; headers: IncomingHttpHeaders }[];

  before(async () => {
    server = await listening(
      createServer((request, answer) => {
        const url = request.url ?? '';
        asked.push({ url, headers: request.headers });
        const redirect = /^\/to\/(.+)$/.exec(url)?.[1];
        if (redirect) answer.writeHead(302, { location: decodeURIComponent(redirect) }).end('elsewhere');
        else if (url === '/loop') answer.writeHead(302, { location: '/loop' }).end();
        else if (url === '/hang') return;
        else if (url === '/drop') request.socket.destroy();
        else answer.writeHead(Number(/^\/(\d+)/.exec(url)?.[1] ?? 200)).end('x'.repeat(20_000));
      }),
    );
    port = portOf(server);
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  async function ask(httpGet: Partial<NonNullable<Probe['httpGet']>>, over: Partial<Container> = {}) {
    asked = [];
    return probeHttp(attempt({ httpGet: { port, ...httpGet } }, over), never);
  }

  test('succeeds with 200, keeps 10 KiB of the body and names itself', async () => {
    assert.deepEqual(await ask({ path: '/ok?a=b' }), { result: 'success', output: 'x'.repeat(10_240) });
    assert.deepEqual(asked, [
      {
        url: '/ok?a=b',
        headers: { host: `127.0.0.1:${port}`, 'user-agent': 'kube-probe/1.36', accept: '*/*', connection: 'close' },
      },
    ]);
  });

  test('fails with 500', async () => {
    assert.deepEqual(await ask({ path: '/500' }), {
      result: 'failure',
      output: 'HTTP probe failed with statuscode: 500',
    });
  });

  test('finds a port by its name', async () => {
    const finding = await ask({ port: 'web' }, { ports: [{ name: 'web', containerPort: port }] });
    assert.equal(finding.result, 'success');
  });

  test('cannot be made at a port that nobody named', async () => {
    await assert.rejects(ask({ port: 'nobody' }), /strconv.Atoi: parsing "nobody": invalid syntax/);
  });

  test('sends the headers of the spec, repeated ones too, and no default that was emptied', async () => {
    const httpHeaders = [
      { name: 'Host', value: 'example.com' },
      { name: 'X-A', value: '1' },
      { name: 'X-A', value: '2' },
      { name: 'User-Agent', value: '' },
      { name: 'accept', value: '' },
    ];
    await ask({ httpHeaders });
    assert.deepEqual(asked[0]?.headers, { host: 'example.com', 'x-a': '1, 2', connection: 'close' });
  });

  test('follows redirects on the same host', async () => {
    assert.equal((await ask({ path: '/to/%2F200' })).result, 'success');
    assert.deepEqual(
      asked.map(({ url }) => url),
      ['/to/%2F200', '/200'],
    );
  });

  test('takes a redirect to another host for a warning, and does not go there', async () => {
    const path = `/to/${encodeURIComponent(`http://localhost:${port}/`)}`;
    assert.deepEqual(await ask({ path }), {
      result: 'warning',
      output: 'Probe terminated redirects, Response body: elsewhere',
    });
    assert.equal(asked.length, 1);
  });

  test('gives up after ten redirects', async () => {
    const finding = await ask({ path: '/loop' });
    assert.equal(finding.result, 'failure');
    assert.match(finding.output, /stopped after 10 redirects$/);
  });

  test('says how nobody answered, in the words of Go', async () => {
    const url = `http://127.0.0.1:${port}`;
    assert.deepEqual(await ask({ path: '/hang' }), {
      result: 'failure',
      output: `Get "${url}/hang": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
    });
    assert.deepEqual(await ask({ path: '/drop' }), { result: 'failure', output: `Get "${url}/drop": EOF` });
    assert.deepEqual(await ask({ port: 1 }), {
      result: 'failure',
      output: 'Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused',
    });
    assert.deepEqual(await ask({ scheme: 'HTTPS' }), {
      result: 'failure',
      output: `Get "https://127.0.0.1:${port}/": http: server gave HTTP response to HTTPS client`,
    });
  });
});

test('a TCP probe tells an open port from a closed one', async () => {
  const server = await listening(createTcpServer((socket) => socket.on('error', () => {})));
  const open = await probeTcp(attempt({ tcpSocket: { port: portOf(server) } }), never);
  server.close();
  const closed = await probeTcp(attempt({ tcpSocket: { port: 1 } }), never);
  assert.deepEqual(
    [open, closed],
    [
      { result: 'success', output: '' },
      { result: 'failure', output: 'dial tcp 127.0.0.1:1: connect: connection refused' },
    ],
  );
});

describe('a gRPC probe', () => {
  const frame = (status: number): Buffer => Buffer.from([0, 0, 0, 0, 2, 8, status]);
  let asked: Buffer = Buffer.alloc(0);
  let agent: unknown;
  const server = createHttp2Server();

  before(async () => {
    server.on('stream', (stream, headers) => {
      agent = headers['user-agent'];
      stream.on('data', (chunk: Buffer) => {
        asked = chunk;
        const service = chunk.subarray(7).toString();
        if (service === 'hang') return;
        if (service === 'none') {
          stream.respond(
            { ':status': 200, 'grpc-status': '12', 'grpc-message': 'unknown%20method' },
            { endStream: true },
          );
          return;
        }
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(frame(service === 'down' ? 2 : 1));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => server.close());

  const ask = (service: string) => probeGrpc(attempt({ grpc: { port: portOf(server), service } }, {}, '', 300), never);

  test('succeeds when the service is serving', async () => {
    assert.deepEqual(await ask('up'), { result: 'success', output: 'service healthy' });
    assert.deepEqual([asked.toString('hex'), agent], ['00000000040a027570', 'kube-probe/1.36']);
  });

  const failures: readonly [string, string][] = [
    ['down', 'service unhealthy (responded with "NOT_SERVING")'],
    ['none', 'error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown method'],
    ['hang', 'timeout: health rpc did not complete within 300ms'],
  ];
  for (const [service, output] of failures) {
    test(`fails when the service is "${service}"`, async () => {
      assert.deepEqual(await ask(service), { result: 'failure', output });
    });
  }

  test('fails when nobody listens', async () => {
    assert.deepEqual(await probeGrpc(attempt({ grpc: { port: 1 } }), never), {
      result: 'failure',
      output:
        'timeout: failed to connect service "127.0.0.1:1" within 1s: dial tcp 127.0.0.1:1: connect: connection refused',
    });
  });
});

describe('an exec probe', () => {
  let engine: Engine;
  let id: string;

  before(async () => {
    engine = await connectEngine(process.env['NODELET_TEST_DOCKER'] ?? '');
    id = await engine.createContainer({
      name: 'probed',
      image: 'busybox:test',
      labels: {},
      entrypoint: ['/bin/sh', '-c', 'sleep 1000 & wait'],
      env: ['GREETING=hello'],
      networkDisabled: true,
    });
    await engine.startContainer(id);
  });
  after(() => engine.removeContainer(id));

  const ask = (command: string[], timeoutMs = 5000, env: Container['env'] = []) =>
    probeExec(engine, attempt({ exec: { command } }, { env }, id, timeoutMs), never);

  test('succeeds with exit code 0, in the environment of the container', async () => {
    assert.deepEqual(await ask(['sh', '-c', 'echo $GREETING']), { result: 'success', output: 'hello\n' });
  });

  test('expands what the container spec says literally', async () => {
    assert.deepEqual(await ask(['echo', '$(WHO) $(NOBODY) $$(WHO)'], 5000, [{ name: 'WHO', value: 'me' }]), {
      result: 'success',
      output: 'me $(NOBODY) $(WHO)\n',
    });
  });

  test('fails with the words of the program', async () => {
    assert.deepEqual(await ask(['sh', '-c', 'echo no >&2; exit 3']), { result: 'failure', output: 'no\n' });
  });

  test('fails when the program is not there', async () => {
    assert.equal((await ask(['/nowhere'])).result, 'failure');
  });

  test('that takes too long fails, and nothing of it lives on', async () => {
    assert.deepEqual(await ask(['sh', '-c', 'sleep 4321 & sleep 4322'], 1000), {
      result: 'failure',
      output: 'command timed out: "sh -c sleep 4321 & sleep 4322" timed out after 1s',
    });
    for (let tries = 0; tries < 100; tries++) {
      const { output } = await ask(['sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "']);
      if (!output.includes('sleep 432')) return;
      await sleep(50);
    }
    assert.fail('the program lives on');
  });

  test('keeps no more than 10 KiB of a flood', async () => {
    const { result, output } = await ask(['sh', '-c', 'yes | head -c 3000000']);
    assert.deepEqual([result, output.length], ['success', 10_240]);
  });

  test('decides readiness and life of a container in a pod', async () => {
    const told: string[] = [];
    const changed: string[] = [];
    const probes = createProbes({
      engine,
      events: { pod: (_, event) => told.push(`${event.reason} ${event.message} ${event.container}`), node: () => {} },
      clock: systemClock,
      log: silentLog,
      onVerdict: (uid) => changed.push(uid),
      hostIps: () => [],
    });
    try {
      const main = container('main', {
        readinessProbe: { exec: { command: ['true'] }, periodSeconds: 1 },
        livenessProbe: { exec: { command: ['sh', '-c', 'echo dead; false'] }, periodSeconds: 1, failureThreshold: 2 },
      });
      const desired = desiredPod({ containers: [main] });
      probes.follow(desired, observedPod([observedContainer('main', { id })], [observedSandbox()]));
      for (let tries = 0; tries < 200 && probes.verdicts(desired.uid).get(id)?.alive !== false; tries++)
        await sleep(50);
      assert.deepEqual(probes.verdicts(desired.uid).get(id), { started: undefined, ready: true, alive: false });
      assert.equal(changed.length, 2);
      assert.deepEqual(told, [
        'Unhealthy Liveness probe failed: dead\n spec.containers{main}',
        'Unhealthy Liveness probe failed: dead\n spec.containers{main}',
      ]);
    } finally {
      probes.stop();
    }
  });
});
