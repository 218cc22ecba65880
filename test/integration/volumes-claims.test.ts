// Claims on real directories: hostPath and local volumes, who may have them, and that their data outlives every pod.
import assert from 'node:assert/strict';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import type { DesiredPod } from '../../agent/model.ts';
import { mountAt } from '../../host/mounts.ts';
import { persistentVolumeClaims, persistentVolumes } from '../../kube/resources.ts';
import type { PersistentVolume } from '../../kube/types.ts';
import { container, desiredPod, uid } from '../builders/pod.ts';
import { createFakeApi } from '../fakes/api-client.ts';
import { createVolumesBed, type VolumesBed } from '../rig/volumes.ts';

const never = new AbortController().signal;
const otherUid = uid.replace(/1$/, '2');
const api = createFakeApi();
let bed: VolumesBed;
let path: string;

before(async () => {
  bed = await createVolumesBed({ client: api });
  path = join(bed.outside, 'disk');
  await mkdir(path);
  await writeFile(join(path, 'precious'), 'data');
});
after(() => bed.remove());
afterEach(async () => {
  for (const one of [uid, otherUid]) await bed.volumes.forget(one, never);
  assert.equal(await readFile(join(path, 'precious'), 'utf8'), 'data');
});

function bind(name: string, spec: PersistentVolume['spec']): DesiredPod {
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
  return claiming(name);
}

function claiming(claimName: string): DesiredPod {
  return desiredPod({
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
    containers: [container('main', { volumeMounts: [{ name: 'data', mountPath: '/data' }] })],
  });
}

async function hostPathOf(desired: DesiredPod): Promise<string> {
  const [first] = desired.pod.spec.containers;
  if (!first) throw new Error('no container');
  const [mount] = await bed.volumes.mountsFor(desired, first, { env: {} }, never);
  return mount?.hostPath ?? '';
}

test('a hostPath volume is the path itself', async () => {
  const desired = bind('host', { hostPath: { path } });
  await bed.volumes.ensure(desired, never);
  assert.equal(await hostPathOf(desired), path);
});

test('a local volume is a mount below the pod, given to the fsGroup, and its data stays when the pod goes', async () => {
  await symlink('/etc/hostname', join(path, 'link')).catch(() => {});
  const desired = bind('local', { local: { path } });
  const grouped = {
    ...desired,
    pod: { ...desired.pod, spec: { ...desired.pod.spec, securityContext: { fsGroup: 4243 } } },
  };
  await bed.volumes.ensure(grouped, never);
  const directory = await hostPathOf(grouped);
  assert.equal(directory, join(bed.root, 'pods', uid, 'volumes/kubernetes.io~local-volume/local'));
  assert.ok(await mountAt(directory));
  assert.equal((await stat(join(path, 'precious'))).gid, 4243);
  assert.notEqual((await stat('/etc/hostname')).gid, 4243);
  const before = await stat(path, { bigint: true });
  await bed.volumes.ensure(grouped, never);
  assert.equal((await stat(path, { bigint: true })).ctimeNs, before.ctimeNs);
  await bed.volumes.forget(uid, never);
  assert.equal(await mountAt(directory), undefined);
});

test('a running pod needs no API for the volume that it has', async () => {
  const desired = bind('kept', { hostPath: { path } });
  await bed.volumes.ensure(desired, never);
  const asked = api.requests.length;
  await bed.volumes.ensure(desired, never);
  assert.equal(api.requests.length, asked);
});

test('a volume for one pod alone is not given to another until the first gives it back', async () => {
  const desired = bind('single', { hostPath: { path }, accessModes: ['ReadWriteOncePod'] });
  const other = {
    ...desired,
    uid: otherUid,
    pod: { ...desired.pod, metadata: { ...desired.pod.metadata, uid: otherUid } },
  };
  await bed.volumes.ensure(desired, never);
  await assert.rejects(bed.volumes.ensure(other, never), {
    name: 'VolumeError',
    message: /volume uses the ReadWriteOncePod access mode and is already in use by another pod$/,
  });
  await bed.volumes.remove(uid, never);
  await bed.volumes.ensure(other, never);
});

test('what cannot be mounted is said in one sentence', async () => {
  const unmounted = 'unmounted volumes=[data], unattached volumes=[], failed to process volumes=[data]';
  await assert.rejects(bed.volumes.ensure(claiming('absent'), never), {
    message: `Unable to attach or mount volumes: ${unmounted}: error processing PVC default/absent: failed to fetch PVC from API server: persistentvolumeclaim "absent" not found`,
  });
  const missing = join(bed.outside, 'nowhere');
  await assert.rejects(bed.volumes.ensure(bind('nowhere', { local: { path: missing } }), never), {
    message: `MountVolume.SetUp failed for volume "data" : path "${missing}" does not exist`,
  });
  await assert.rejects(bed.volumes.ensure(bind('scsi', { iscsi: { iqn: 'i', lun: 0, targetPortal: 't' } }), never), {
    message:
      'MountVolume.SetUp failed for volume "data" : persistent volume "scsi" is of a kind that is not supported by this node',
  });
});

test('a local volume that another pod has is given to a second group with a warning', async () => {
  const desired = bind('contested', { local: { path } });
  const asking = (fsGroup: number, podUid: string): DesiredPod => ({
    ...desired,
    uid: podUid,
    pod: {
      ...desired.pod,
      metadata: { ...desired.pod.metadata, uid: podUid },
      spec: { ...desired.pod.spec, securityContext: { fsGroup } },
    },
  });
  const warnings = () => bed.events.filter(({ reason }) => reason === 'AlreadyMountedVolume');
  await bed.volumes.ensure(asking(4244, uid), never);
  assert.deepEqual(warnings(), []);
  await bed.volumes.ensure(asking(4245, otherUid), never);
  assert.deepEqual(warnings(), [
    {
      type: 'Warning',
      reason: 'AlreadyMountedVolume',
      message: 'The requested fsGroup is 4245, but the volume contested has GID 4244. The volume may not be shareable.',
    },
  ]);
});
