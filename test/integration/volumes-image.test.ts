// Image volumes on a real engine (needs docker): an image's files, read-only, not run, kept while they are used, gone afterwards.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { connectEngine } from '../../agent/docker/connect.ts';
import type { Engine } from '../../agent/docker/engine.ts';
import { labels } from '../../agent/docker/labels.ts';
import { run } from '../../host/commands.ts';
import { mountsBelow } from '../../host/mounts.ts';
import type { Volume } from '../../kube/types.ts';
import { container, desiredPod, uid } from '../builders/pod.ts';
import { createVolumesBed, type VolumesBed } from '../rig/volumes.ts';

const never = new AbortController().signal;
const socket = process.env['NODELET_TEST_DOCKER'] ?? '';
const layers = 40;
let engine: Engine;
let bed: VolumesBed;

const docker = async (...args: string[]): Promise<string> =>
  (await run('docker', ['--host', `unix://${socket}`, ...args])).stdout.trim();
const volumes: Volume[] = [{ name: 'kitten', image: { reference: 'kitten:test' } }];

before(async () => {
  engine = await connectEngine(socket);
  bed = await createVolumesBed({ engine });
  // Many layers, so that their names alone would fill the kernel's page.
  const lines = Array.from({ length: layers }, (_, n) => `RUN mkdir -p /d && echo ${n} > /d/${n} && echo ${n} > /last`);
  const dockerfile = ['FROM busybox:test', ...lines].join('\n');
  await run('docker', ['--host', `unix://${socket}`, 'build', '--network=none', '-t', 'kitten:test', '-'], {
    input: dockerfile,
    env: { DOCKER_BUILDKIT: '0' },
    timeoutMs: 120_000,
  });
});
after(() => bed.remove());
afterEach(() => bed.volumes.forget(uid, never));

async function mountOf(over: { subPath?: string } = {}) {
  const main = container('main', { volumeMounts: [{ name: 'kitten', mountPath: '/volume', ...over }] });
  const desired = desiredPod({ volumes, containers: [main] });
  await bed.volumes.ensure(desired, never);
  const image = await engine.inspectImage('kitten:test');
  const images = new Map([['kitten', image]]);
  const [mount] = await bed.volumes.mountsFor(desired, main, { env: {}, images }, never);
  if (!mount) throw new Error('nothing to mount');
  return { mount, image };
}

async function inside(mount: Awaited<ReturnType<typeof mountOf>>['mount'], script: string): Promise<string> {
  const plan = { name: 'looker', image: 'busybox:test', command: ['sh', '-c', script], mounts: [mount], labels: {} };
  const id = await engine.createContainer({ ...plan, networkMode: 'none' });
  try {
    return await docker('start', '--attach', id).catch((error: { stdout: string }) => error.stdout.trim());
  } finally {
    await engine.removeContainer(id);
  }
}

test('a container sees all layers of an image, and can neither write nor run what is in it', async () => {
  const { mount } = await mountOf();
  assert.equal(await inside(mount, 'cat /volume/last; ls /volume/d | wc -l'), `${layers - 1}\n${layers}`);
  assert.match(await inside(mount, 'touch /volume/x 2>&1'), /Read-only file system/);
  assert.match(await inside(mount, '/volume/bin/busybox true 2>&1'), /Permission denied/);
  assert.match(await inside(mount, 'mount -o remount,rw /volume 2>&1; touch /volume/x 2>&1'), /Read-only file system/);
});

test('a part of an image can be mounted, one that is not there cannot', async () => {
  const { mount } = await mountOf({ subPath: 'd' });
  assert.equal(await inside(mount, 'cat /volume/7'), '7');
  await assert.rejects(mountOf({ subPath: 'nowhere' }), {
    message: 'failed to create subPath directory for volumeMount "kitten" of container "main"',
  });
});

test('an image that a pod shows cannot be removed before the pod lets go, also by the agent that comes after', async () => {
  const { image } = await mountOf();
  await mountOf();
  const held = await engine.listContainers({ [labels.holdsImageFor]: uid });
  assert.deepEqual(
    held.map(({ imageId, phase }) => ({ imageId, phase })),
    [{ imageId: image.id, phase: 'created' }],
  );
  await assert.rejects(engine.removeImage(image.id), { reason: 'Conflict' });
  await bed.restarted().remove(uid, never);
  assert.deepEqual(await engine.listContainers({ [labels.holdsImageFor]: uid }), []);
  assert.deepEqual(await mountsBelow(`${bed.root}/pods`), []);
  assert.equal((await engine.inspectImage('kitten:test')).id, image.id);
});
