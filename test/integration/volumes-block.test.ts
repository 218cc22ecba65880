// Block devices as volumes (needs docker), on real loop devices: given to containers as they are, or formatted once and mounted.
import assert from 'node:assert/strict';
import { mkdir, readlink, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { connectEngine } from '../../agent/docker/connect.ts';
import type { Engine } from '../../agent/docker/engine.ts';
import type { DesiredPod } from '../../agent/model.ts';
import { run } from '../../host/commands.ts';
import { contentOf } from '../../host/filesystems.ts';
import { mountAt, mountsBelow } from '../../host/mounts.ts';
import { persistentVolumeClaims, persistentVolumes } from '../../kube/resources.ts';
import type { Container, PersistentVolume } from '../../kube/types.ts';
import { container, desiredPod, uid } from '../builders/pod.ts';
import { createFakeApi } from '../fakes/api-client.ts';
import { createVolumesBed, type VolumesBed } from '../rig/volumes.ts';

const never = new AbortController().signal;
const otherUid = uid.replace(/1$/, '2');
const api = createFakeApi();
let engine: Engine;
let bed: VolumesBed;
let device: string;

before(async () => {
  engine = await connectEngine(process.env['NODELET_TEST_DOCKER'] ?? '');
  bed = await createVolumesBed({ client: api, engine });
  const image = join(bed.outside, 'disk.img');
  await writeFile(image, '');
  await truncate(image, 16 * 2 ** 20);
  device = (await run('losetup', ['--find', '--show', '--', image])).stdout.trim();
});
afterEach(async () => {
  for (const one of [uid, otherUid]) await bed.volumes.forget(one, never);
  assert.deepEqual(await mountsBelow(join(bed.root, 'plugins')), []);
});
after(async () => {
  await run('losetup', ['--detach', device]);
  await bed.remove();
});

function claiming(name: string, spec: PersistentVolume['spec'], main: Partial<Container>, podUid = uid): DesiredPod {
  api.put(persistentVolumes, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: { ...spec, claimRef: { uid: `claim-${name}` } },
  });
  api.put(persistentVolumeClaims, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace: 'default', uid: `claim-${name}` },
    spec: { volumeName: name },
    status: { phase: 'Bound' },
  });
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: name } }];
  return desiredPod({ volumes, containers: [container('main', main)] }, { uid: podUid });
}

const mounting = { volumeMounts: [{ name: 'data', mountPath: '/data' }] };
const main = ({ pod }: DesiredPod): Container => pod.spec.containers[0] ?? container('none');
const directoryOf = async (desired: DesiredPod): Promise<string> =>
  (await bed.volumes.mountsFor(desired, main(desired), { env: {} }, never))[0]?.hostPath ?? '';

test('a container reads and writes the device itself', async () => {
  const raw = { volumeDevices: [{ name: 'data', devicePath: '/dev/data' }] };
  const desired = claiming('raw', { local: { path: device }, volumeMode: 'Block' }, raw);
  await bed.volumes.ensure(desired, never);
  await bed.volumes.ensure(desired, never);
  const link = join(bed.root, 'pods', uid, 'volumeDevices/kubernetes.io~local-volume/raw');
  assert.equal(await readlink(link), device);
  const devices = await bed.volumes.devicesFor(desired, main(desired));
  assert.deepEqual(devices, [{ hostPath: device, containerPath: '/dev/data', permissions: 'mrw' }]);
  const command = ['sh', '-c', 'echo through > /dev/data && head -c 7 /dev/data'];
  const plan = { name: 'raw', image: 'busybox:test', command, labels: {}, networkMode: 'none', devices };
  const id = await engine.createContainer(plan);
  const { stdout } = await run('docker', [
    ...['--host', `unix://${process.env['NODELET_TEST_DOCKER']}`],
    ...['start', '--attach', id],
  ]);
  await engine.removeContainer(id);
  assert.equal(stdout, 'through');
  await bed.volumes.remove(uid, never);
  await assert.rejects(stat(link), { code: 'ENOENT' });
  assert.ok((await stat(device)).isBlockDevice());
  await run('dd', ['if=/dev/zero', `of=${device}`, 'bs=1M', 'count=1', 'conv=fsync']);
});

test('an empty device gets a file system once, and its data stays', async () => {
  assert.equal(await contentOf(device), undefined);
  const spec = { local: { path: device }, accessModes: ['ReadWriteOnce' as const] };
  const [one, two] = [claiming('disk', spec, mounting), claiming('disk', spec, mounting, otherUid)];
  await bed.volumes.ensure(one, never);
  assert.equal((await contentOf(device))?.fileSystem, 'ext4');
  await writeFile(join(await directoryOf(one), 'kept'), 'yes');
  await bed.volumes.ensure(two, never);
  await bed.volumes.remove(uid, never);
  assert.equal((await stat(join(await directoryOf(two), 'kept'))).size, 3);
  await bed.volumes.remove(otherUid, never);
  await bed.volumes.ensure(one, never);
  assert.equal((await stat(join(await directoryOf(one), 'kept'))).size, 3);
  assert.equal((await mountAt(await directoryOf(one)))?.fsType, 'ext4');
});

test('what is no device, or holds something else, is left alone', async () => {
  const raw = { volumeDevices: [{ name: 'data', devicePath: '/dev/data' }] };
  const directory = join(bed.outside, 'directory');
  await mkdir(directory);
  const of = (path: string) => claiming('wrong', { local: { path }, volumeMode: 'Block' }, raw);
  await assert.rejects(bed.volumes.ensure(of(directory), never), {
    message: `MountVolume.SetUp failed for volume "data" : path "${directory}" is not a block device`,
  });
  const table = Buffer.alloc(2 ** 20);
  // One Linux partition of 1 MiB from the second MiB on, and the mark of a table.
  table.set([0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0], 446);
  table.set([0x55, 0xaa], 510);
  await writeFile(device, table, { flag: 'r+' });
  assert.equal((await contentOf(device))?.partitionTable, 'dos');
  await assert.rejects(bed.volumes.ensure(claiming('parted', { local: { path: device } }, mounting), never), {
    message: `MountVolume.SetUp failed for volume "data" : device "${device}" has a partition table and is not formatted`,
  });
});
