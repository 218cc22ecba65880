// Port-forward over SPDY, tunnelled SPDY and the older WebSocket channels, to a host-network pod on this machine.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { createStreamPairs } from '../../../../agent/server/port-forward/pairs.ts';
import { parsePort, parsePorts } from '../../../../agent/server/rules/stream-options.ts';
import { scriptedEngine } from '../../../rig/server/engine.ts';
import { lookup, startKubeletServer, type TestServer, webPod } from '../../../rig/server/kubelet-server.ts';
import { type SpdyClient, spdyClient, upgradeToSpdy } from '../../../rig/server/spdy-client.ts';
import { openTunnel } from '../../../rig/server/tunnel.ts';

const sandboxId = 'f'.repeat(64);
let kubelet: TestServer;
let echo: Server;
let port = 0;
let closedPort = 0;

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

before(async () => {
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.write('hello ');
    socket.pipe(socket);
  });
  port = await listen(echo);
  const spare = createServer();
  closedPort = await listen(spare);
  await new Promise((resolve) => spare.close(resolve));
  const sandbox = { id: sandboxId, attempt: 0, phase: 'running', createdAtMs: 0, pid: process.pid } as const;
  const sandboxes = [{ ...sandbox, hostNetwork: true, ips: [] }];
  kubelet = await startKubeletServer({ engine: scriptedEngine(async () => 0), pods: lookup(webPod, { sandboxes }) });
});
after(async () => {
  await kubelet.stop();
  echo.close();
});

async function spdy(): Promise<SpdyClient> {
  const answer = await upgradeToSpdy({ ...kubelet.admin, path: '/portForward/default/web' }, 'portforward.k8s.io');
  assert.equal(answer.code, 101, answer.body);
  assert.equal(answer.headers['x-stream-protocol-version'], 'portforward.k8s.io');
  assert.ok(answer.socket);
  return spdyClient(answer.socket);
}

async function tunnel(): Promise<SpdyClient> {
  const options = { ...kubelet.admin, path: '/portForward/default/web' };
  return spdyClient(await openTunnel(options, 'SPDY/3.1+portforward.k8s.io'));
}

async function pair(client: SpdyClient, to: number | string, requestid?: string) {
  const more = requestid === undefined ? {} : { requestid };
  const error = await client.open({ streamtype: 'error', port: String(to), ...more });
  error.finish();
  const data = await client.open({ streamtype: 'data', port: String(to), ...more });
  return { error, data };
}

const big = Buffer.alloc(5_000_000, 'z');

for (const [name, connect] of [
  ['SPDY', spdy],
  ['SPDY in a WebSocket', tunnel],
] as const) {
  describe(`port-forward over ${name}`, { timeout: 30_000 }, () => {
    it('carries several connections, each both ways to its end', async () => {
      const client = await connect();
      const pairs = await Promise.all([pair(client, port, '0'), pair(client, port, '1'), pair(client, port, '2')]);
      for (const { data } of pairs) {
        data.send(big);
        data.finish();
      }
      for (const { data, error } of pairs) {
        assert.equal((await data.received()).length, 6 + big.length);
        assert.equal((await error.received()).toString(), '');
      }
      client.socket.destroy();
    });

    it('tells a refused connection on its error stream and goes on with others', async () => {
      const client = await connect();
      const bad = await pair(client, closedPort, '0');
      const said = (await bad.error.received()).toString();
      assert.match(said, new RegExp(`^error forwarding port ${closedPort} to pod ${sandboxId}, uid : .*ECONNREFUSED`));
      const good = await pair(client, port, '1');
      good.data.finish();
      assert.equal((await good.data.received()).toString(), 'hello ');
      client.socket.destroy();
    });
  });
}

describe('port-forward over SPDY, in detail', { timeout: 30_000 }, () => {
  it('pairs the streams of callers that give no request id', async () => {
    const client = await spdy();
    const { data } = await pair(client, port);
    data.finish();
    assert.equal((await data.received()).toString(), 'hello ');
    client.socket.destroy();
  });

  for (const wrong of ['0', '65536', '-1', 'http', '']) {
    it(`resets streams for port "${wrong}"`, async () => {
      const client = await spdy();
      const { error } = await pair(client, wrong, '0');
      await error.received();
      assert.equal(error.wasReset(), true);
      client.socket.destroy();
    });
  }

  it('closes the pod’s side when the caller vanishes', async () => {
    const closed = once(echo, 'connection').then(([socket]) => once(socket, 'close'));
    const client = await spdy();
    await pair(client, port, '0');
    while (client.frames.length < 2) await new Promise((resolve) => setTimeout(resolve, 2));
    client.socket.destroy();
    await closed;
  });

  it('lets a stream that never finds its other half expire', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const said: string[] = [];
    const pairs = createStreamPairs(() => assert.fail('no pair'));
    const stream = {
      id: 1,
      headers: new Map([
        ['streamtype', 'error'],
        ['port', '80'],
      ]),
      input: { push: () => undefined, end() {}, fail() {}, discard() {}, async *[Symbol.asyncIterator]() {} },
      write: async (data: Buffer) => void said.push(data.toString()),
      end: async () => {},
      reset: async () => {},
    };
    pairs.add(stream);
    t.mock.timers.tick(30_000);
    assert.deepEqual(said, ['timed out waiting for streams']);
  });
});

describe('port-forward over WebSocket channels', { timeout: 30_000 }, () => {
  it('names each port on both of its channels, then carries data', async () => {
    const path = `/portForward/default/web?port=${port},${closedPort}`;
    const url = `wss://127.0.0.1:${kubelet.server.port}${path}`;
    const socket = new WebSocket(url, ['v4.channel.k8s.io'], { ...kubelet.admin } as object);
    const channels = new Map<number, Buffer[]>();
    const received = (channel: number): Buffer => Buffer.concat(channels.get(channel) ?? []);
    const enough = Promise.withResolvers<void>();
    socket.on('message', (message: Buffer) => {
      const channel = message[0] ?? -1;
      channels.set(channel, [...(channels.get(channel) ?? []), message.subarray(1)]);
      if (received(0).length >= 12 && received(3).length > 2) enough.resolve();
    });
    await once(socket, 'open');
    socket.send(Buffer.concat([Buffer.from([0]), Buffer.from('data')]));
    await enough.promise;
    assert.deepEqual(
      [0, 1, 2, 3].map((channel) => received(channel).readUInt16LE(0)),
      [port, port, closedPort, closedPort],
    );
    assert.equal(received(0).toString('latin1', 2), 'hello data');
    assert.match(received(3).toString('latin1', 2), /^error forwarding port/);
    socket.terminate();
  });
});

describe('ports', () => {
  for (const [text, value] of [
    ['1', 1],
    ['65535', 65_535],
    ['0', undefined],
    ['65536', undefined],
    ['1e3', undefined],
    ['0x50', undefined],
    [' 80', undefined],
    ['', undefined],
  ] as const) {
    it(`reads "${text}" as ${value}`, () => assert.equal(parsePort(text), value));
  }

  it('are read from repeated and from joined parameters', () => {
    assert.deepEqual(parsePorts(new URLSearchParams('port=1,2&port=3')), [1, 2, 3]);
    assert.equal(parsePorts(new URLSearchParams('port=1,x')), undefined);
    assert.equal(parsePorts(new URLSearchParams('')), undefined);
  });
});
