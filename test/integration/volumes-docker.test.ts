// Volumes as real containers see them (needs docker): shared, read-only, in memory, updated while they run, and never the host.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import type { BindMount } from '../../agent/docker/engine.ts';
import type { DesiredPod } from '../../agent/model.ts';
import { run } from '../../host/commands.ts';
import { mountsBelow } from '../../host/mounts.ts';
import type { Container, Volume } from '../../kube/types.ts';
import { container, desiredPod, uid } from '../builders/pod.ts';
import { createVolumesBed, eventually, type VolumesBed, whileFresh } from '../rig/volumes.ts';

const never = new AbortController().signal;
const engine = ['--host', `unix://${process.env['NODELET_TEST_DOCKER']}`];
let bed: VolumesBed;
let started: string[] = [];

before(async () => {
  bed = await createVolumesBed();
});
after(() => bed.remove());
afterEach(async () => {
  for (const id of started) await run('docker', [...engine, 'rm', '--force', '--volumes', id]);
  started = [];
  await bed.volumes.forget(uid, never);
});

const docker = async (...args: string[]): Promise<string> => (await run('docker', [...engine, ...args])).stdout.trim();
const bindFlag = ({ hostPath, containerPath, readOnly, propagation }: BindMount): string =>
  `--mount=type=bind,source=${hostPath},target=${containerPath},bind-propagation=${propagation}${readOnly ? ',readonly' : ''}`;

/** Starts the pod's containers with their mounts, as sleepers; resolves with their ids. */
async function start(desired: DesiredPod, ...flags: string[]): Promise<string[]> {
  await bed.volumes.ensure(desired, never);
  for (const one of desired.pod.spec.containers) {
    const mounts = await bed.volumes.mountsFor(desired, one, { env: {} }, never);
    const id = await docker(
      'run',
      '-d',
      '--network=none',
      ...flags,
      ...mounts.map(bindFlag),
      'busybox:test',
      'sleep',
      '600',
    );
    started.push(id);
  }
  return started;
}

const inside = (id: string, script: string): Promise<string> => docker('exec', id, 'sh', '-c', script);
const mounting = (name: string, volumes: readonly string[], over: Partial<Container> = {}): Container =>
  container(name, { volumeMounts: volumes.map((volume) => ({ name: volume, mountPath: `/${volume}` })), ...over });

test('containers share an emptyDir, in memory it is a tmpfs of its size, and both outlive a container', async () => {
  const volumes: Volume[] = [
    { name: 'data', emptyDir: {} },
    { name: 'fast', emptyDir: { medium: 'Memory', sizeLimit: '2Mi' } },
  ];
  const names = ['data', 'fast'];
  const desired = desiredPod({ volumes, containers: [mounting('a', names), mounting('b', names)] });
  const [a = '', b = ''] = await start(desired, '--user=1000:1000');
  await inside(a, 'echo one > /data/f; echo two > /fast/f');
  assert.equal(await inside(b, 'cat /data/f /fast/f'), 'one\ntwo');
  assert.match(await inside(b, 'grep " /fast " /proc/mounts'), /^tmpfs \/fast tmpfs .*size=2048k/);
  assert.match(await inside(b, 'dd if=/dev/zero of=/fast/big bs=1M count=4 2>&1 || true'), /No space left/);
  await docker('rm', '--force', a);
  const [again = ''] = (await start(desired)).slice(-2);
  assert.equal(await inside(again, 'cat /data/f /fast/f'), 'one\ntwo');
});

test('a Secret is read-only memory, a ConfigMap read-only files, and both follow their objects', async () => {
  bed.objects.putSecret('login', { password: 'first' });
  bed.objects.putConfigMap('settings', { a: 'first' });
  const volumes: Volume[] = [
    { name: 'login', secret: { secretName: 'login' } },
    { name: 'settings', configMap: { name: 'settings' } },
  ];
  const [id = ''] = await start(
    desiredPod({ volumes, containers: [mounting('a', ['login', 'settings'])] }),
    '--user=1000',
  );
  assert.equal(await inside(id, 'cat /login/password /settings/a'), 'firstfirst');
  assert.match(await inside(id, 'grep " /login " /proc/mounts'), /^tmpfs \/login tmpfs ro/);
  assert.match(
    await inside(id, 'touch /login/x 2>&1 || true; touch /settings/x 2>&1 || true'),
    /Read-only.*\n.*Read-only/,
  );
  await whileFresh(bed.volumes, async () => {
    bed.objects.putSecret('login', { password: 'second' });
    bed.objects.putConfigMap('settings', { a: 'second' });
    await eventually(
      'both are new',
      async () => (await inside(id, 'cat /login/password /settings/a')) === 'secondsecond',
    );
  });
});

test('a link that one container makes shows the next one nothing of the host', async () => {
  await writeFile(join(bed.outside, 'canary'), 'only root may read this');
  const evil = mounting('evil', ['data']);
  const victim = container('victim', { volumeMounts: [{ name: 'data', mountPath: '/m', subPath: 'x' }] });
  const volumes: Volume[] = [{ name: 'data', emptyDir: {} }];
  const [id = ''] = await start(desiredPod({ volumes, containers: [evil] }));
  await inside(id, `ln -s ${bed.outside} /data/x; ln -s / /data/root`);
  const both = desiredPod({ volumes, containers: [evil, victim] });
  await bed.volumes.ensure(both, never);
  await assert.rejects(bed.volumes.mountsFor(both, victim, { env: {} }, never), {
    name: 'VolumeError',
    message: 'failed to prepare subPath for volumeMount "data" of container "victim"',
  });
  await inside(id, 'rm /data/x; mkdir /data/x; echo mine > /data/x/f');
  const [mount] = await bed.volumes.mountsFor(both, victim, { env: {} }, never);
  await inside(id, `mv /data/x /data/y; ln -s ${bed.outside} /data/x`);
  assert.ok(mount);
  assert.equal(await docker('run', '--rm', '--network=none', bindFlag(mount), 'busybox:test', 'ls', '/m'), 'f');
});

test('a file of a ConfigMap goes over a file of the image, and later updates leave it alone', async () => {
  bed.objects.putConfigMap('settings', { passwd: 'mine' });
  const volumes: Volume[] = [{ name: 'settings', configMap: { name: 'settings' } }];
  const volumeMounts = [{ name: 'settings', mountPath: '/etc/motd', subPath: 'passwd' }];
  const desired = desiredPod({ volumes, containers: [container('a', { volumeMounts })] });
  const [id = ''] = await start(desired);
  assert.equal(await inside(id, 'cat /etc/motd'), 'mine');
  bed.objects.putConfigMap('settings', { passwd: 'changed' });
  await bed.volumes.ensure(desired, never);
  assert.equal(await inside(id, 'cat /etc/motd'), 'mine');
});

test('mounts of a privileged container reach others that ask for it, and are gone with the pod', async () => {
  const volumes: Volume[] = [{ name: 'data', emptyDir: {} }];
  const both = { name: 'data', mountPath: '/data' };
  const desired = desiredPod({
    volumes,
    containers: [
      container('giver', {
        securityContext: { privileged: true },
        volumeMounts: [{ ...both, mountPropagation: 'Bidirectional' }],
      }),
      container('taker', { volumeMounts: [{ ...both, mountPropagation: 'HostToContainer' }] }),
      container('other', { volumeMounts: [both] }),
    ],
  });
  const [giver = '', taker = '', other = ''] = await start(desired, '--privileged');
  await inside(giver, 'mkdir /data/m; mount -t tmpfs none /data/m; echo seen > /data/m/f');
  assert.equal(await inside(taker, 'cat /data/m/f'), 'seen');
  assert.equal(await inside(other, 'ls /data/m'), '');
  for (const id of started.splice(0)) await docker('rm', '--force', id);
  assert.equal((await mountsBelow(join(bed.root, 'pods'))).length, 1);
  await bed.volumes.forget(uid, never);
  assert.deepEqual(await mountsBelow(join(bed.root, 'pods')), []);
});

test('a hostPath with a colon in its name stays read-only', async () => {
  const path = join(bed.outside, 'a:b');
  await mkdir(path);
  const volumeMounts = [{ name: 'h', mountPath: '/h', readOnly: true }];
  const volumes: Volume[] = [{ name: 'h', hostPath: { path, type: 'Directory' } }];
  const [id = ''] = await start(desiredPod({ volumes, containers: [container('a', { volumeMounts })] }));
  assert.match(await inside(id, 'touch /h/x 2>&1 || true'), /Read-only/);
});
