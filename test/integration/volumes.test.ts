// Pods' volumes on real mounts: made ready, kept up to date, taken away.
import assert from 'node:assert/strict';
import { chmod, chown, lstat, mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import type { DesiredPod } from '../../agent/model.ts';
import { mountAt, mountsBelow, unmount } from '../../host/mounts.ts';
import type { Volume } from '../../kube/types.ts';
import { container, desiredPod, uid } from '../builders/pod.ts';
import { createVolumesBed, eventually, type VolumesBed, whileFresh } from '../rig/volumes.ts';

const never = new AbortController().signal;
let bed: VolumesBed;

before(async () => {
  bed = await createVolumesBed();
});
after(() => bed.remove());
afterEach(() => bed.volumes.forget(uid, never));

/** A pod whose only container mounts every volume at /<name>. */
function podWith(volumes: Volume[], spec: Partial<DesiredPod['pod']['spec']> = {}): DesiredPod {
  const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
  return desiredPod({ volumes, containers: [container('main', { volumeMounts })], ...spec });
}

const volumeDirectory = (plugin: string, name: string): string =>
  join(bed.root, 'pods', uid, 'volumes', `kubernetes.io~${plugin}`, name);
const permissions = async (path: string): Promise<string> => ((await stat(path)).mode & 0o7777).toString(8);

async function mountsOf(desired: DesiredPod, env: Record<string, string> = {}) {
  const [first] = desired.pod.spec.containers;
  if (!first) throw new Error('no container');
  return bed.volumes.mountsFor(desired, first, { env }, never);
}

describe('emptyDir', () => {
  test('on disk is a directory that everybody may write to, and keeps its content', async () => {
    const desired = podWith([{ name: 'data', emptyDir: {} }]);
    await bed.volumes.ensure(desired, never);
    const directory = volumeDirectory('empty-dir', 'data');
    assert.equal(await permissions(directory), '777');
    await writeFile(join(directory, 'kept'), 'yes');
    await chmod(directory, 0o700);
    await bed.volumes.ensure(desired, never);
    assert.equal(await readFile(join(directory, 'kept'), 'utf8'), 'yes');
    assert.equal(await permissions(directory), '700');
    assert.deepEqual(await mountsOf(desired), [
      { hostPath: directory, containerPath: '/data', readOnly: false, propagation: 'rprivate' },
    ]);
  });

  test('in memory is a tmpfs of the size asked for', async () => {
    await bed.volumes.ensure(podWith([{ name: 'fast', emptyDir: { medium: 'Memory', sizeLimit: '4Mi' } }]), never);
    const mount = await mountAt(volumeDirectory('empty-dir', 'fast'));
    assert.equal(mount?.fsType, 'tmpfs');
    assert.ok(mount?.superOptions.includes('size=4096k'));
    assert.ok(mount?.superOptions.includes('noswap'));
  });

  test('belongs to the fsGroup from the start, and is not touched again', async () => {
    const desired = podWith([{ name: 'data', emptyDir: {} }], { securityContext: { fsGroup: 4242 } });
    await bed.volumes.ensure(desired, never);
    const directory = volumeDirectory('empty-dir', 'data');
    assert.equal((await stat(directory)).gid, 4242);
    assert.equal(await permissions(directory), '2777');
    await chown(directory, 0, 0);
    await bed.volumes.ensure(desired, never);
    assert.equal((await stat(directory)).gid, 0);
  });

  test('in memory belongs to the fsGroup after a reboot too', async () => {
    const desired = podWith([{ name: 'fast', emptyDir: { medium: 'Memory' } }], { securityContext: { fsGroup: 4242 } });
    const directory = volumeDirectory('empty-dir', 'fast');
    await bed.volumes.ensure(desired, never);
    await unmount(directory);
    await bed.volumes.ensure(desired, never);
    assert.equal((await mountAt(directory))?.fsType, 'tmpfs');
    assert.equal((await stat(directory)).gid, 4242);
  });

  test('that no container mounts is not made', async () => {
    await bed.volumes.ensure(desiredPod({ volumes: [{ name: 'unused', emptyDir: {} }] }), never);
    assert.deepEqual(await bed.volumes.known(), []);
  });
});

describe('configMap and secret', () => {
  test('a ConfigMap lies on disk in the layout of the atomic writer', async () => {
    bed.objects.putConfigMap('settings', { 'a.conf': 'one', __proto__x: 'two' }, { 'b.bin': 'AP8=' });
    await bed.volumes.ensure(podWith([{ name: 'conf', configMap: { name: 'settings', defaultMode: 0o400 } }]), never);
    const directory = volumeDirectory('configmap', 'conf');
    assert.equal(await mountAt(directory), undefined);
    assert.equal(await readlink(join(directory, 'a.conf')), '..data/a.conf');
    const stamp = await readlink(join(directory, '..data'));
    assert.match(stamp, /^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+$/);
    assert.deepEqual(
      (await readdir(directory)).toSorted(),
      ['..data', stamp, '__proto__x', 'a.conf', 'b.bin'].toSorted(),
    );
    assert.equal(await readFile(join(directory, 'a.conf'), 'utf8'), 'one');
    assert.deepEqual(await readFile(join(directory, 'b.bin')), Buffer.from([0, 255]));
    assert.equal(await permissions(join(directory, 'a.conf')), '400');
    assert.equal(await permissions(join(directory, stamp)), '755');
  });

  test('a Secret lies on tmpfs only, its items where and how they were asked for', async () => {
    bed.objects.putSecret('login', { user: 'anna', password: 'pw' });
    const items = [{ key: 'password', path: 'deep/er/pw', mode: 0o440 }];
    const desired = podWith([{ name: 'login', secret: { secretName: 'login', items } }], {
      securityContext: { fsGroup: 1001 },
    });
    await bed.volumes.ensure(desired, never);
    const directory = volumeDirectory('secret', 'login');
    assert.equal((await mountAt(directory))?.fsType, 'tmpfs');
    assert.deepEqual(
      (await readdir(directory)).filter((name) => !name.startsWith('..')),
      ['deep'],
    );
    const file = join(directory, 'deep/er/pw');
    assert.equal(await readFile(file, 'utf8'), 'pw');
    assert.equal(await permissions(file), '440');
    assert.equal((await stat(file)).gid, 1001);
    assert.equal((await mountsOf(desired))[0]?.readOnly, true);
  });

  const missing: [string, Volume, string][] = [
    ['a ConfigMap', { name: 'v', configMap: { name: 'no' } }, 'configmap "no" not found'],
    ['a Secret', { name: 'v', secret: { secretName: 'no' } }, 'secret "no" not found'],
    [
      'a key of a ConfigMap',
      { name: 'v', configMap: { name: 'there', items: [{ key: 'k', path: 'k' }] } },
      'configmap references non-existent config key: k',
    ],
    [
      'a key of a Secret',
      { name: 'v', secret: { secretName: 'there', items: [{ key: 'k', path: 'k' }] } },
      'references non-existent secret key: k',
    ],
    [
      'a volume kind that nobody has built',
      { name: 'v', gcePersistentDisk: { pdName: 'disk' } },
      'volumes of kind gcePersistentDisk are not supported by this node',
    ],
  ];
  for (const [what, volume, detail] of missing) {
    test(`${what} that is missing is said in upstream's words, and nothing is left mounted`, async () => {
      bed.objects.putConfigMap('there', {});
      bed.objects.putSecret('there', {});
      await assert.rejects(bed.volumes.ensure(podWith([volume]), never), {
        name: 'VolumeError',
        volume: 'v',
        message: `MountVolume.SetUp failed for volume "v" : ${detail}`,
      });
      assert.deepEqual(await mountsBelow(join(bed.root, 'pods')), []);
    });
  }

  test('an optional object that is missing gives an empty volume, which fills when the object comes', async () => {
    await bed.volumes.ensure(podWith([{ name: 'v', configMap: { name: 'later', optional: true } }]), never);
    const directory = volumeDirectory('configmap', 'v');
    assert.deepEqual(
      (await readdir(directory)).filter((name) => !name.startsWith('..')),
      [],
    );
    await whileFresh(bed.volumes, async () => {
      bed.objects.putConfigMap('later', { k: 'v' });
      await eventually('the key is there', async () => (await readdir(directory)).includes('k'));
      bed.objects.remove('ConfigMap', 'later');
      await eventually('the key is gone', async () => !(await readdir(directory)).includes('k'));
    });
  });

  test('an update swaps all files at once, and a second look touches nothing', async () => {
    bed.objects.putConfigMap('settings', { a: '1', gone: 'x' });
    const desired = podWith([{ name: 'conf', configMap: { name: 'settings' } }]);
    await bed.volumes.ensure(desired, never);
    const directory = volumeDirectory('configmap', 'conf');
    const first = await readlink(join(directory, '..data'));
    const linkBefore = await lstat(join(directory, 'a'), { bigint: true });
    bed.objects.putConfigMap('settings', { a: '2', new: 'y' });
    await bed.volumes.ensure(desired, never);
    const second = await readlink(join(directory, '..data'));
    assert.notEqual(second, first);
    assert.equal(await readFile(join(directory, 'a'), 'utf8'), '2');
    assert.deepEqual((await readdir(directory)).toSorted(), ['..data', second, 'a', 'new'].toSorted());
    assert.equal((await lstat(join(directory, 'a'), { bigint: true })).ctimeNs, linkBefore.ctimeNs);
    const before = await stat(directory, { bigint: true });
    await bed.volumes.ensure(desired, never);
    assert.equal((await stat(directory, { bigint: true })).mtimeNs, before.mtimeNs);
    assert.equal(await readlink(join(directory, '..data')), second);
  });

  test('a running pod keeps what it saw when its object is deleted, and the event says so', async () => {
    bed.objects.putConfigMap('settings', { a: '1' });
    const desired = podWith([{ name: 'conf', configMap: { name: 'settings' } }]);
    await bed.volumes.ensure(desired, never);
    bed.objects.remove('ConfigMap', 'settings');
    bed.events.length = 0;
    await bed.volumes.ensure(desired, never);
    assert.equal(await readFile(join(volumeDirectory('configmap', 'conf'), 'a'), 'utf8'), '1');
    assert.deepEqual(bed.events, [
      {
        type: 'Warning',
        reason: 'FailedMount',
        message: 'MountVolume.SetUp failed for volume "conf" : configmap "settings" not found',
      },
    ]);
  });
});

describe('downwardAPI and projected', () => {
  test('labels and resources become files', async () => {
    const volumes: Volume[] = [
      {
        name: 'info',
        downwardAPI: {
          items: [
            { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
            { path: 'cpu', mode: 0o400, resourceFieldRef: { containerName: 'main', resource: 'limits.cpu' } },
          ],
        },
      },
    ];
    const desired = podWith(volumes);
    const labelled = {
      ...desired,
      pod: { ...desired.pod, metadata: { ...desired.pod.metadata, labels: { b: '2', a: '"1"' } } },
    };
    await bed.volumes.ensure(labelled, never);
    const directory = volumeDirectory('downward-api', 'info');
    assert.equal(await readFile(join(directory, 'labels'), 'utf8'), 'a="\\"1\\""\nb="2"');
    assert.equal(await readFile(join(directory, 'cpu'), 'utf8'), '2');
    assert.equal(await permissions(join(directory, 'cpu')), '400');
    assert.equal((await mountAt(directory))?.fsType, 'tmpfs');
  });

  test('the API server token stands beside its CA and namespace, readable by the one user alone', async () => {
    bed.objects.putConfigMap('kube-root-ca.crt', { 'ca.crt': 'PEM' });
    const volumes: Volume[] = [
      {
        name: 'kube-api-access',
        projected: {
          defaultMode: 0o644,
          sources: [
            { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
            { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
            { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
          ],
        },
      },
    ];
    await bed.volumes.ensure(podWith(volumes, { securityContext: { runAsUser: 1000 } }), never);
    const directory = volumeDirectory('projected', 'kube-api-access');
    assert.equal((await mountAt(directory))?.fsType, 'tmpfs');
    assert.equal(await readFile(join(directory, 'token'), 'utf8'), `token-of-${uid}-one`);
    assert.equal(await readFile(join(directory, 'namespace'), 'utf8'), 'default');
    const token = await stat(join(directory, 'token'));
    assert.deepEqual([token.uid, token.mode & 0o777], [1000, 0o600]);
    assert.equal((await stat(join(directory, 'ca.crt'))).mode & 0o777, 0o644);
    assert.deepEqual(bed.objects.tokenRequests.splice(0), [' 3607']);
  });
});

describe('hostPath', () => {
  test('a missing directory is made by us, never by the engine; nothing is made for a strict type', async () => {
    const path = join(bed.outside, 'made/deep');
    await bed.volumes.ensure(podWith([{ name: 'h', hostPath: { path, type: 'DirectoryOrCreate' } }]), never);
    assert.ok((await stat(path)).isDirectory());
    assert.equal(await permissions(path), '755');
    const strict = join(bed.outside, 'absent');
    await assert.rejects(
      bed.volumes.ensure(podWith([{ name: 'h', hostPath: { path: strict, type: 'Directory' } }]), never),
      {
        message: `MountVolume.SetUp failed for volume "h" : hostPath type check failed: ${strict} is not a directory`,
      },
    );
    await assert.rejects(stat(strict), { code: 'ENOENT' });
  });
});

describe('tear-down', () => {
  test('gives back mounts and directories, and may be repeated', async () => {
    bed.objects.putSecret('login', { user: 'anna' });
    const desired = podWith([
      { name: 'login', secret: { secretName: 'login' } },
      { name: 'fast', emptyDir: { medium: 'Memory' } },
      { name: 'data', emptyDir: {} },
    ]);
    await bed.volumes.ensure(desired, never);
    await mkdir(join(bed.root, 'pods', uid, 'containers/main'), { recursive: true });
    assert.deepEqual(await bed.volumes.known(), [uid]);
    await bed.volumes.remove(uid, never);
    assert.deepEqual(await mountsBelow(join(bed.root, 'pods')), []);
    assert.deepEqual(await readdir(join(bed.root, 'pods', uid)), ['containers']);
    await bed.volumes.remove(uid, never);
    await bed.volumes.forget(uid, never);
    assert.deepEqual(await bed.volumes.known(), []);
    await bed.volumes.forget(uid, never);
  });
});
