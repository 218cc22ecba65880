// Volumes of a storage driver on real sockets and real mounts: registered, attached, staged, published, and all of it taken back.
import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { DesiredPod } from '../../agent/model.ts';
import { nodeCapabilities } from '../../agent/volumes/csi/messages.ts';
import { uniqueName } from '../../agent/volumes/rules/csi.ts';
import { mountAt, mountsBelow } from '../../host/mounts.ts';
import {
  csiDrivers,
  csiNodes,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  volumeAttachments,
} from '../../kube/resources.ts';
import type { CSIDriver, PodSpec } from '../../kube/types.ts';
import { container, desiredPod, uid } from '../builders/pod.ts';
import { createFakeApi } from '../fakes/api-client.ts';
import { type CsiDriver, startCsiDriver } from '../rig/csi-driver.ts';
import { createVolumesBed, eventually, type VolumesBed } from '../rig/volumes.ts';

const never = new AbortController().signal;
const name = 'disks.csi.test';
const otherUid = uid.replace(/1$/, '2');
const api = createFakeApi();
let bed: VolumesBed;
let driver: CsiDriver;
let ended = new AbortController();
let running: Promise<void>;

const start = (over: Partial<Parameters<typeof startCsiDriver>[0]> = {}): Promise<CsiDriver> =>
  startCsiDriver({
    name,
    socket: join(bed.root, 'plugins', name, 'csi.sock'),
    registrarSocket: join(bed.root, 'plugins_registry', `${name}-reg.sock`),
    ...over,
  });
const called = (): readonly string[] => driver.calls.map(({ method }) => method);
const requestOf = (method: string) => driver.calls.findLast((one) => one.method === method)?.request;
const isRegistered = async (): Promise<boolean> => called().includes('NotifyRegistrationStatus');
const volumesInUse = () => api.peek(nodes, { name: 'node-1' })?.status?.volumesInUse;

before(async () => {
  bed = await createVolumesBed({ client: api });
  api.put(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1', uid: 'node-uid' }, status: {} });
});
after(() => bed.remove());
beforeEach(async () => {
  driver = await start();
  ended = new AbortController();
  running = bed.volumes.run(ended.signal);
  await eventually('the driver is registered', isRegistered);
});
afterEach(async () => {
  for (const one of [uid, otherUid]) await bed.volumes.forget(one, never);
  ended.abort();
  await running;
  await driver.stop();
  assert.deepEqual(await mountsBelow(join(bed.root, 'pods')), []);
  assert.deepEqual(await mountsBelow(join(bed.root, 'plugins')), []);
});

function object(spec: CSIDriver['spec']): void {
  api.put(csiDrivers, { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name }, spec });
}

function claiming(pv: string, over: Partial<PodSpec> = {}, podUid = uid): DesiredPod {
  const csi = { driver: name, volumeHandle: `handle-${pv}`, fsType: 'ext4', volumeAttributes: { tier: 'fast' } };
  api.put(persistentVolumes, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: pv },
    spec: { csi, accessModes: ['ReadWriteOnce'], mountOptions: ['noatime'], claimRef: { uid: `claim-${pv}` } },
  });
  api.put(persistentVolumeClaims, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: pv, namespace: 'default', uid: `claim-${pv}` },
    spec: { volumeName: pv },
    status: { phase: 'Bound' },
  });
  return desiredPod(
    {
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: pv } }],
      containers: [container('main', { volumeMounts: [{ name: 'data', mountPath: '/data' }] })],
      ...over,
    },
    { uid: podUid },
  );
}

async function hostPathOf(desired: DesiredPod): Promise<string> {
  const [first] = desired.pod.spec.containers;
  const [mount] = first ? await bed.volumes.mountsFor(desired, first, { env: {} }, never) : [];
  return mount?.hostPath ?? '';
}

test('a driver is made known to the API, and taken out again when its socket goes', async () => {
  assert.deepEqual(called(), ['GetInfo', 'NodeGetInfo', 'NodeGetCapabilities', 'NotifyRegistrationStatus']);
  assert.deepEqual(requestOf('NotifyRegistrationStatus'), { pluginRegistered: true });
  const csiNode = api.peek(csiNodes, { name: 'node-1' });
  const topologyKeys = ['topology.test/zone'];
  assert.deepEqual(csiNode?.spec?.drivers, [
    { name, nodeID: 'storage-node-1', topologyKeys, allocatable: { count: 7 } },
  ]);
  assert.equal(csiNode?.metadata.ownerReferences?.[0]?.uid, 'node-uid');
  const { annotations, labels } = api.peek(nodes, { name: 'node-1' })?.metadata ?? {};
  assert.equal(annotations?.['csi.volume.kubernetes.io/nodeid'], `{"${name}":"storage-node-1"}`);
  assert.equal(labels?.['topology.test/zone'], 'a');
  await driver.stop();
  const isGone = async (): Promise<boolean> => api.peek(csiNodes, { name: 'node-1' })?.spec?.drivers?.length === 0;
  await eventually('the driver is gone', isGone);
  object({ attachRequired: false });
  await assert.rejects(bed.volumes.ensure(claiming('without'), never), {
    message: `MountVolume.SetUp failed for volume "data" : driver name ${name} not found in the list of registered CSI drivers`,
  });
});

test('a plugin that is no storage driver is told so', async () => {
  const socket = join(bed.root, 'plugins/other.sock');
  const registrarSocket = join(bed.root, 'plugins_registry/other.sock');
  const other = await start({ name: 'other', type: 'DRAPlugin', socket, registrarSocket });
  const status = () => other.calls.find(({ method }) => method === 'NotifyRegistrationStatus')?.request;
  await eventually('it is told', async () => status() !== undefined);
  assert.deepEqual(status(), {
    error: `no handler registered for plugin type: DRAPlugin at socket ${registrarSocket}`,
  });
  await other.stop();
});

test('a volume is staged once and published for each pod, and unstaged with the last of them', async () => {
  object({ attachRequired: false });
  const [one, two] = [claiming('shared', { securityContext: { fsGroup: 4243 } }), claiming('shared', {}, otherUid)];
  await bed.volumes.ensure(one, never);
  const directory = await hostPathOf(one);
  assert.equal(directory, join(bed.root, 'pods', uid, 'volumes/kubernetes.io~csi/shared/mount'));
  assert.ok(await mountAt(directory));
  assert.equal((await stat(directory)).gid, 4243);
  const volumeCapability = { mount: { fsType: 'ext4', mountFlags: ['noatime'] }, accessMode: { mode: 1 } };
  const stagingTargetPath = String(requestOf('NodeStageVolume')?.['stagingTargetPath']);
  assert.match(
    stagingTargetPath,
    new RegExp(`^${bed.root}/plugins/kubernetes.io/csi/${name}/[0-9a-f]{64}/globalmount$`),
  );
  const common = { volumeId: 'handle-shared', volumeCapability, volumeContext: { tier: 'fast' } };
  assert.deepEqual(requestOf('NodeStageVolume'), { ...common, stagingTargetPath });
  assert.deepEqual(requestOf('NodePublishVolume'), { ...common, stagingTargetPath, targetPath: directory });
  await bed.volumes.ensure(two, never);
  await writeFile(join(directory, 'file'), 'for both');
  assert.equal(await readFile(join(await hostPathOf(two), 'file'), 'utf8'), 'for both');
  await bed.volumes.remove(uid, never);
  assert.equal(called().includes('NodeUnstageVolume'), false);
  assert.equal(await readFile(join(await hostPathOf(two), 'file'), 'utf8'), 'for both');
  await bed.volumes.remove(otherUid, never);
  assert.deepEqual(called().slice(-2), ['NodeUnpublishVolume', 'NodeUnstageVolume']);
  assert.deepEqual(await readdir(join(bed.root, 'plugins/kubernetes.io/csi', name)), []);
});

test('a volume that must be attached is waited for, with what its controller says of it', async () => {
  object({ attachRequired: true });
  const desired = claiming('attached');
  const unique = uniqueName({ driver: name, handle: 'handle-attached' });
  const ensured = bed.volumes.ensure(desired, never);
  await eventually('the volume is said to be in use', async () => volumesInUse()?.includes(unique) ?? false);
  assert.equal(called().includes('NodePublishVolume'), false);
  const { path } = await api.seen((request) => request.path.includes('/volumeattachments/csi-'));
  const attachment = path.slice(path.lastIndexOf('/') + 1);
  api.put(volumeAttachments, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'VolumeAttachment',
    metadata: { name: attachment },
    spec: { attacher: name, nodeName: 'node-1', source: { persistentVolumeName: 'attached' } },
    status: { attached: true, attachmentMetadata: { device: '/dev/nbd7' } },
  });
  const node = api.peek(nodes, { name: 'node-1' });
  assert.ok(node);
  api.put(nodes, { ...node, status: { ...node.status, volumesAttached: [{ name: unique, devicePath: '' }] } });
  await ensured;
  assert.deepEqual(requestOf('NodeStageVolume')?.['publishContext'], { device: '/dev/nbd7' });
  assert.deepEqual(requestOf('NodePublishVolume')?.['publishContext'], { device: '/dev/nbd7' });
  const record = JSON.parse(
    await readFile(join(bed.root, 'pods', uid, 'volumes/kubernetes.io~csi/attached/vol_data.json'), 'utf8'),
  );
  assert.deepEqual(record, {
    specVolID: 'attached',
    volumeHandle: 'handle-attached',
    driverName: name,
    nodeName: 'node-1',
    attachmentID: attachment,
    volumeLifecycleMode: 'Persistent',
    seLinuxMountContext: '',
  });
  await bed.volumes.remove(uid, never);
  assert.deepEqual(volumesInUse(), []);
});

test('an inline volume is told of its pod, its secret and its tokens, and is the pod’s alone', async () => {
  object({
    podInfoOnMount: true,
    volumeLifecycleModes: ['Ephemeral'],
    tokenRequests: [{ audience: 'vault', expirationSeconds: 600 }],
  });
  bed.objects.putSecret('login', { user: 'me' });
  bed.objects.tokenText = `.${Buffer.from('{"exp":1800000000}').toString('base64url')}.signature`;
  const csi = { driver: name, volumeAttributes: { size: '1' }, nodePublishSecretRef: { name: 'login' } };
  const desired = desiredPod({
    serviceAccountName: 'robot',
    volumes: [{ name: 'scratch', csi }],
    containers: [container('main', { volumeMounts: [{ name: 'scratch', mountPath: '/s' }] })],
  });
  await bed.volumes.ensure(desired, never);
  assert.ok(await mountAt(await hostPathOf(desired)));
  const { volumeId, volumeContext, secrets, stagingTargetPath } = requestOf('NodePublishVolume') ?? {};
  assert.match(String(volumeId), /^csi-[0-9a-f]{64}$/);
  assert.equal(stagingTargetPath, undefined);
  assert.deepEqual(secrets, { user: 'me' });
  const { 'csi.storage.k8s.io/serviceAccount.tokens': tokens, ...context } = volumeContext as Record<string, string>;
  assert.deepEqual(context, {
    size: '1',
    'csi.storage.k8s.io/pod.name': 'web',
    'csi.storage.k8s.io/pod.namespace': 'default',
    'csi.storage.k8s.io/pod.uid': uid,
    'csi.storage.k8s.io/serviceAccount.name': 'robot',
    'csi.storage.k8s.io/ephemeral': 'true',
  });
  assert.equal(JSON.parse(tokens ?? '{}').vault.expirationTimestamp, '2027-01-15T08:00:00Z');
  await assert.rejects(bed.volumes.ensure(claiming('lasting'), never), {
    message: `MountVolume.SetUp failed for volume "data" : volume mode "Persistent" not supported by driver ${name} (only supports ["Ephemeral"])`,
  });
});

test('what a driver refuses is said in its own words, and tried again', async () => {
  object({ attachRequired: false });
  const desired = claiming('refused');
  driver.failNext('NodeStageVolume', 13, 'no such disk: 100% gone');
  await assert.rejects(bed.volumes.ensure(desired, never), {
    message:
      'MountVolume.MountDevice failed for volume "refused" : rpc error: code = Internal desc = no such disk: 100% gone',
  });
  driver.failNext('NodePublishVolume', 9, 'not now');
  await assert.rejects(bed.volumes.ensure(desired, never), {
    message: 'MountVolume.SetUp failed for volume "data" : rpc error: code = FailedPrecondition desc = not now',
  });
  await bed.volumes.ensure(desired, never);
  driver.failNext('NodeUnpublishVolume', 10, 'busy');
  await assert.rejects(bed.volumes.remove(uid, never), { message: 'rpc error: code = Aborted desc = busy' });
  assert.ok(await mountAt(join(bed.root, 'pods', uid, 'volumes/kubernetes.io~csi/refused/mount')));
  await bed.volumes.remove(uid, never);
});

test('an agent that comes after gives back what the one before it mounted', async () => {
  object({ attachRequired: false });
  await bed.volumes.ensure(claiming('inherited'), never);
  ended.abort();
  await running;
  const next = bed.restarted();
  const callsBefore = called().length;
  ended = new AbortController();
  running = next.run(ended.signal);
  const isAgain = async (): Promise<boolean> => called().slice(callsBefore).includes('NotifyRegistrationStatus');
  await eventually('the driver is registered again', isAgain);
  await next.forget(uid, never);
  assert.deepEqual(called().slice(-2), ['NodeUnpublishVolume', 'NodeUnstageVolume']);
});

test('a driver that mounts for a group itself is told the group', async () => {
  object({ attachRequired: false });
  await driver.stop();
  const gone = async (): Promise<boolean> => api.peek(csiNodes, { name: 'node-1' })?.spec?.drivers?.length === 0;
  await eventually('the driver is gone', gone);
  driver = await start({ capabilities: [nodeCapabilities.volumeMountGroup, nodeCapabilities.singleNodeMultiWriter] });
  await eventually('the driver is registered', isRegistered);
  await bed.volumes.ensure(claiming('grouped', { securityContext: { fsGroup: 4243 } }), never);
  assert.deepEqual(requestOf('NodePublishVolume')?.['volumeCapability'], {
    mount: { fsType: 'ext4', mountFlags: ['noatime'], volumeMountGroup: '4243' },
    accessMode: { mode: 7 },
  });
  assert.equal(called().includes('NodeStageVolume'), false);
});
