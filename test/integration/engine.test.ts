// needs docker: the engine's contract on Docker itself, and its streams.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { connectEngine } from '../../agent/docker/connect.ts';
import { type Engine, EngineError, type EngineStream } from '../../agent/docker/engine.ts';
import { ensurePauseImage, pauseImage } from '../../agent/sandbox/pause-image.ts';
import { engineContract } from '../contracts/engine.ts';

const image = 'busybox:test';
let engine: Engine;
let id = '';

before(async () => {
  engine = await connectEngine(process.env['NODELET_TEST_DOCKER'] ?? '');
  const command = ['sh', '-c', 'echo out; echo err >&2; cat; echo end'];
  const plan = {
    name: `streams-${randomBytes(4).toString('hex')}`,
    image,
    labels: {},
    networkDisabled: true,
    openStdin: true,
    stdinOnce: true,
    command,
  };
  id = await engine.createContainer(plan);
  await engine.startContainer(id);
});

after(() => engine.removeContainer(id));

engineContract('Docker', async () => ({ engine, image }));

async function read(stream: EngineStream): Promise<{ stdout: string; stderr: string }> {
  const got = { stdout: '', stderr: '' };
  for await (const { stream: name, data } of stream.output) got[name] += data.toString();
  return got;
}

const shell = (script: string) => ({
  command: ['sh', '-c', script],
  tty: false,
  stdin: true,
  stdout: true,
  stderr: true,
});

test('exec keeps its streams apart, half-closes and tells its exit code', async () => {
  const exec = await engine.exec(id, shell('cat; echo oops >&2; exit 5'));
  exec.stdin?.end('hello\n');
  assert.deepEqual(await read(exec), { stdout: 'hello\n', stderr: 'oops\n' });
  assert.equal(await exec.exitCode(), 5);
  assert.equal(await exec.pid(), 0);
});

test('a program that writes more than anybody reads is held back, and nothing of it is lost', async () => {
  const exec = await engine.exec(id, { ...shell('dd if=/dev/zero bs=65536 count=320 2>/dev/null'), stdin: false });
  let size = 0;
  for await (const { data } of exec.output) size += data.length;
  assert.equal(size, 320 * 65_536);
});

test('a terminal has one stream and a size', async () => {
  const exec = await engine.exec(id, { ...shell('read x; stty size'), tty: true });
  await exec.resize({ columns: 77, rows: 33 });
  exec.stdin?.write('go\n');
  const { stdout } = await read(exec);
  assert.match(stdout, /33 77/);
});

test('attach sees nothing that nobody wrote, and its end of input is the end', async () => {
  const attached = await engine.attach(id, { stdin: true, stdout: true, stderr: true });
  attached.stdin?.end('typed\n');
  assert.deepEqual((await read(attached)).stdout, 'typed\nend\n');
  const lines: string[] = [];
  for await (const { stream, data } of engine.containerLogs(id, {}, AbortSignal.timeout(10_000))) {
    lines.push(`${stream} ${data}`);
  }
  assert.deepEqual(lines.sort(), ['stderr err\n', 'stdout end\n', 'stdout out\n', 'stdout typed\n']);
});

test('the pause image comes out of our own bytes and stops at once', async () => {
  const imageId = await ensurePauseImage(engine, process.arch);
  assert.equal(await ensurePauseImage(engine, process.arch), imageId);
  const plan = {
    name: `pause-${randomBytes(4).toString('hex')}`,
    image: pauseImage,
    labels: {},
    networkDisabled: true,
  };
  const pause = await engine.createContainer(plan);
  try {
    await engine.startContainer(pause);
    await engine.stopContainer(pause, 10);
    assert.equal((await engine.inspectContainer(pause)).exitCode, 0);
  } finally {
    await engine.removeContainer(pause);
  }
});

test('a socket that is not there is Unreachable, and silence ends at the deadline', async () => {
  await assert.rejects(
    connectEngine('/no/such/docker.sock'),
    (error) => error instanceof EngineError && error.reason === 'Unreachable',
  );
});
