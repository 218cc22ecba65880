// exec, attach and run through a real TLS server, with hand-written SPDY and WebSocket clients.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestOptions } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { type Program, scriptedEngine } from '../../../rig/server/engine.ts';
import { ask, startKubeletServer, type TestServer } from '../../../rig/server/kubelet-server.ts';
import { type ClientStream, type SpdyClient, spdyClient, upgradeToSpdy } from '../../../rig/server/spdy-client.ts';

const success = '{"metadata":{},"status":"Success"}';
const all = 'v4.channel.k8s.io,v3.channel.k8s.io,v2.channel.k8s.io,channel.k8s.io';
const exits = (code: number): string =>
  JSON.stringify({
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: Error executing in Docker Container: ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  });

async function programs({ command, stdin, out, err, sizes, closed }: Program): Promise<number> {
  switch (command[0]) {
    case 'cat':
      for await (const data of stdin) out(data);
      return 0;
    case 'args':
      out(JSON.stringify(command.slice(1)));
      return 0;
    case 'flood':
      for (let i = 0; i < 300; i++) out(Buffer.alloc(10_000, i % 251));
      return 0;
    case 'both':
      out('to out');
      err('to err');
      return 3;
    case 'size':
      while (sizes.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      out(JSON.stringify(sizes[0]));
      return 0;
    case 'hang':
      out('ready');
      await once(closed, 'abort');
      hangEnded();
      return 0;
    default:
      out('attached');
      for await (const data of stdin) out(data);
      return 0;
  }
}

let hangEnded = (): void => {};
let kubelet: TestServer;
before(async () => {
  kubelet = await startKubeletServer({ engine: scriptedEngine(programs) });
});
after(() => kubelet.stop());

const path = (command: string[], flags: string): string =>
  `/exec/default/web/app?${command.map((word) => `command=${encodeURIComponent(word)}`).join('&')}&${flags}`;

async function spdy(url: string, types: string[], protocols = all): Promise<[SpdyClient, Map<string, ClientStream>]> {
  const answer = await upgradeToSpdy({ ...kubelet.admin, path: url }, protocols);
  assert.equal(answer.code, 101, answer.body);
  assert.ok(answer.socket);
  const client = spdyClient(answer.socket);
  const streams = new Map<string, ClientStream>();
  for (const streamtype of types) streams.set(streamtype, await client.open({ streamtype }));
  return [client, streams];
}

const text = async (stream: ClientStream | undefined): Promise<string> => (await stream?.received())?.toString() ?? '';

async function webSocket(url: string, protocol: string[], options: RequestOptions = kubelet.admin) {
  const socket = new WebSocket(`wss://127.0.0.1:${kubelet.server.port}${url}`, protocol, options);
  const messages: Buffer[] = [];
  socket.on('message', (data: Buffer) => messages.push(data));
  const closed = new Promise<number[]>((resolve) => socket.once('close', (code: number) => resolve([code])));
  await once(socket, 'open');
  const of = (channel: number): string =>
    Buffer.concat(messages.filter((m) => m[0] === channel).map((m) => m.subarray(1))).toString();
  return { socket, messages, closed, of };
}

describe('exec over SPDY', { timeout: 30_000 }, () => {
  it('gives both outputs and the exit code in v4 words', async () => {
    const [client, streams] = await spdy(path(['both'], 'output=1&error=1'), ['error', 'stdout', 'stderr']);
    assert.equal(await text(streams.get('stdout')), 'to out');
    assert.equal(await text(streams.get('stderr')), 'to err');
    assert.equal(await text(streams.get('error')), exits(3));
    await client.ended;
  });

  for (const [protocol, code, expected] of [
    ['v3.channel.k8s.io', 'both', 'command terminated with non-zero exit code: Error executing in Docker Container: 3'],
    ['v2.channel.k8s.io', 'flood', ''],
    ['channel.k8s.io', 'flood', ''],
  ] as const) {
    it(`says "${expected}" on the error stream of ${protocol}`, async () => {
      const [, streams] = await spdy(path([code], 'output=1'), ['error', 'stdout'], protocol);
      assert.equal(await text(streams.get('error')), expected);
    });
  }

  it('loses nothing of 3 MB before the status', async () => {
    const [, streams] = await spdy(path(['flood'], 'output=1'), ['error', 'stdout']);
    assert.equal((await streams.get('stdout')?.received())?.length, 3_000_000);
    assert.equal(await text(streams.get('error')), success);
  });

  it('closes the program’s input when the caller half-closes', async () => {
    const [, streams] = await spdy(path(['cat'], 'input=1&output=1'), ['error', 'stdin', 'stdout']);
    const big = Buffer.alloc(2_000_000, 'x');
    streams.get('stdin')?.send('hello ');
    streams.get('stdin')?.send(big);
    streams.get('stdin')?.finish();
    assert.equal(await text(streams.get('stdout')), `hello ${big}`);
    assert.equal(await text(streams.get('error')), success);
  });

  it('hands the newest terminal size over', async () => {
    const [, streams] = await spdy(path(['size'], 'output=1&tty=1'), ['error', 'stdout', 'resize']);
    streams.get('resize')?.send('{"Width":80,"Hei');
    streams.get('resize')?.send('ght":24}\n');
    assert.equal(await text(streams.get('stdout')), '{"columns":80,"rows":24}');
  });

  it('answers pings of the caller', async () => {
    const [client, streams] = await spdy(path(['cat'], 'input=1&output=1'), ['error', 'stdin', 'stdout']);
    client.ping(7);
    streams.get('stdin')?.finish();
    await client.ended;
    assert.deepEqual(
      client.frames.filter((frame) => frame.type === 'ping'),
      [{ type: 'ping', id: 7 }],
    );
  });

  it('passes arguments exactly', async () => {
    const args = ['$HOME;id', '', 'a b', 'ünï', '`x`\n', 'a=b&c', '%2e'];
    const [, streams] = await spdy(path(['args', ...args], 'output=1'), ['error', 'stdout']);
    assert.deepEqual(JSON.parse(await text(streams.get('stdout'))), args);
  });

  it('lets go of the program when the caller vanishes', async () => {
    const ended = new Promise<void>((resolve) => {
      hangEnded = resolve;
    });
    const [client, streams] = await spdy(path(['hang'], 'input=1&output=1'), ['error', 'stdin', 'stdout']);
    while (streams.get('stdout')?.soFar().length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    client.socket.destroy();
    await ended;
  });

  it('tells a start that failed as an internal error', async () => {
    const [, streams] = await spdy(path(['refused'], 'output=1'), ['error', 'stdout']);
    const status = JSON.parse(await text(streams.get('error')));
    assert.equal(status.reason, 'InternalError');
    assert.equal(status.message, 'Internal error occurred: error executing command in container: Cannot exec: no');
  });

  for (const [what, url, protocols, code, body] of [
    ['an unknown pod', '/exec/default/none/app?output=1&command=x', all, 404, 'pod does not exist'],
    ['a wrong UID', '/exec/default/web/other/app?output=1&command=x', all, 404, 'pod does not exist'],
    ['a container that is not running', '/exec/default/web/late?output=1', all, 500, 'container not found ("late")'],
    ['attach to it', '/attach/default/web/late?output=1', all, 500, 'container late not found in pod web_default'],
    ['no stream', '/exec/default/web/app?command=x', all, 400, 'you must specify at least 1 of stdin, stdout, stderr'],
    [
      'an unknown protocol',
      '/exec/default/web/app?output=1&command=x',
      'v5.channel.k8s.io',
      403,
      'unable to upgrade: unable to negotiate protocol: client supports [v5.channel.k8s.io], server accepts [v4.channel.k8s.io v3.channel.k8s.io v2.channel.k8s.io channel.k8s.io]',
    ],
    [
      'no protocol header',
      '/exec/default/web/app?output=1&command=x',
      '',
      400,
      'unable to upgrade: X-Stream-Protocol-Version header is required',
    ],
  ] as const) {
    it(`refuses ${what} with ${code}`, async () => {
      const answer = await upgradeToSpdy({ ...kubelet.admin, path: url }, protocols);
      assert.deepEqual([answer.code, answer.body], [code, body]);
    });
  }

  it('refuses a request that is no upgrade with 400', async () => {
    const { code, body } = await ask({ ...kubelet.admin, path: path(['cat'], 'output=1') });
    assert.equal(code, 400);
    assert.match(body, /^unable to upgrade: missing upgrade headers in request: /);
  });
});

describe('exec over WebSocket', { timeout: 30_000 }, () => {
  for (const protocol of ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'channel.k8s.io']) {
    it(`gives both outputs and the exit code over ${protocol}`, async () => {
      const { socket, closed, of, messages } = await webSocket(path(['both'], 'output=1&error=1'), [protocol]);
      const [code] = await closed;
      assert.equal(socket.protocol, protocol);
      assert.deepEqual(messages[0], Buffer.from([1]));
      assert.deepEqual([of(1), of(2)], ['to out', 'to err']);
      assert.equal(of(3), protocol === 'channel.k8s.io' ? JSON.parse(exits(3)).message : exits(3));
      assert.equal(code, 1000);
    });
  }

  it('closes the program’s input on v5’s close message', async () => {
    const { socket, closed, of } = await webSocket(path(['cat'], 'input=1&output=1'), ['v5.channel.k8s.io']);
    socket.send(Buffer.concat([Buffer.from([0]), Buffer.alloc(1_000_000, 'y')]));
    socket.send(Buffer.from([255, 0]));
    await closed;
    assert.equal(of(1).length, 1_000_000);
    assert.equal(of(3), success);
  });

  it('carries base64 for callers that cannot do bytes', async () => {
    const { closed, messages } = await webSocket(path(['both'], 'output=1'), ['v4.base64.channel.k8s.io']);
    await closed;
    const plain = messages.map((m) => `${m.toString('latin1', 0, 1)}${Buffer.from(m.toString('latin1', 1), 'base64')}`);
    assert.deepEqual(plain, ['1', '1to out', `3${exits(3)}`]);
  });

  it('loses nothing of 3 MB before the status', async () => {
    const { closed, of, messages } = await webSocket(path(['flood'], 'output=1'), ['v5.channel.k8s.io']);
    await closed;
    const bytes = messages.filter((m) => m[0] === 1).reduce((sum, m) => sum + m.length - 1, 0);
    assert.equal(bytes, 3_000_000);
    assert.equal(of(3), success);
  });

  it('sets the terminal’s size', async () => {
    const { socket, closed, of } = await webSocket(path(['size'], 'output=1&tty=1'), ['v5.channel.k8s.io']);
    socket.send(Buffer.concat([Buffer.from([4]), Buffer.from('{"Width":100,"Height":30}')]));
    await closed;
    assert.equal(of(1), '{"columns":100,"rows":30}');
  });

  it('lets go of the program when the caller vanishes', async () => {
    const ended = new Promise<void>((resolve) => {
      hangEnded = resolve;
    });
    const { socket } = await webSocket(path(['hang'], 'output=1'), ['v5.channel.k8s.io']);
    socket.terminate();
    await ended;
  });

  it('refuses protocols that it does not speak', async () => {
    await assert.rejects(webSocket(path(['cat'], 'output=1'), ['v9.channel.k8s.io']), /400/);
  });
});

describe('attach and run', { timeout: 30_000 }, () => {
  it('joins the caller to the container’s own program, terminal by the spec', async () => {
    const url = '/attach/default/web/term?input=1&output=1&error=1';
    const [, streams] = await spdy(url, ['error', 'stdin', 'stdout', 'resize']);
    streams.get('stdin')?.send(' hello');
    streams.get('stdin')?.finish();
    assert.equal(await text(streams.get('stdout')), 'attached hello');
    assert.equal(await text(streams.get('error')), success);
  });

  it('answers run with the output', async () => {
    const { code, body } = await ask({
      ...kubelet.admin,
      method: 'POST',
      path: '/run/default/web/app?cmd=args+a+b',
    });
    assert.deepEqual([code, body], [200, '["a","b"]']);
  });
});
