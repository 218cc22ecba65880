// What hostile pods try on volumes, tried for real: nothing outside of a volume is seen, changed or removed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { DesiredPod } from '../../agent/model.ts';
import { run } from '../../host/commands.ts';
import { bindMount, mountAt, mountsBelow, unmount } from '../../host/mounts.ts';
import type { Volume, VolumeMount } from '../../kube/types.ts';
import { container, desiredPod, uid } from '../builders/pod.ts';
import { createVolumesBed, type VolumesBed } from '../rig/volumes.ts';

const never = new AbortController().signal;
const secretText = 'only root may read this';
let bed: VolumesBed;
let canary: string;
let data: string;

before(async () => {
  bed = await createVolumesBed();
  canary = join(bed.outside, 'canary');
  data = join(bed.root, 'pods', uid, 'volumes/kubernetes.io~empty-dir/data');
});
after(() => bed.remove());
beforeEach(async () => {
  await writeFile(canary, secretText);
});
afterEach(async () => {
  await bed.volumes.forget(uid, never);
  assert.equal(await readFile(canary, 'utf8'), secretText);
});

function mounting(mount: Partial<VolumeMount>, volume: Volume = { name: 'data', emptyDir: {} }): DesiredPod {
  const volumeMounts = [{ name: volume.name, mountPath: '/m', ...mount }];
  return desiredPod({ volumes: [volume], containers: [container('main', { volumeMounts })] });
}

async function mountsOf(desired: DesiredPod, env: Record<string, string> = {}) {
  const [first] = desired.pod.spec.containers;
  if (!first) throw new Error('no container');
  return bed.volumes.mountsFor(desired, first, { env }, never);
}

/** An emptyDir that a pod has filled with `fill`, and the mounts that its container then gets. */
async function subPathAfter(subPath: string, fill: () => Promise<unknown>) {
  const desired = mounting({ subPath });
  await bed.volumes.ensure(desired, never);
  await fill();
  return mountsOf(desired);
}

const refused = {
  name: 'VolumeError',
  message: /^failed to (create|prepare) subPath (directory )?for volumeMount "data" of container "main"$/,
};

/** Programs of a hostile pod: arguments are its volume and the directory outside. */
const swappers = {
  'a link out in the place of a link in': `
    const fs = require('node:fs');
    process.chdir(process.argv[1]);
    fs.mkdirSync('real/inner', { recursive: true });
    for (let turn = 0; ; turn++) {
      fs.symlinkSync(turn % 2 ? 'real' : process.argv[2], 'next');
      try { fs.renameSync('next', 'x'); } catch { fs.rmSync('next'); fs.rmSync('x', { recursive: true, force: true }); }
    }`,
  'a link out in the place of a directory': `
    const fs = require('node:fs');
    process.chdir(process.argv[1]);
    const remove = (name) => { try { fs.rmSync(name, { recursive: true, force: true }); } catch {} };
    for (;;) {
      try {
        for (const name of ['x', 'spare', 'evil']) remove(name);
        fs.mkdirSync('x/inner', { recursive: true });
        fs.symlinkSync(process.argv[2], 'evil');
        for (;;) {
          fs.renameSync('x', 'spare'); fs.renameSync('evil', 'x');
          fs.renameSync('x', 'evil'); fs.renameSync('spare', 'x');
        }
      } catch {}
    }`,
};

describe('subPath', () => {
  const links: [string, string, () => Promise<unknown>][] = [
    ['a link to a directory outside', 'x', () => symlink(bed.outside, join(data, 'x'))],
    ['a file below a link', 'x/canary', () => symlink(bed.outside, join(data, 'x'))],
    ['a link to a file outside', 'x', () => symlink(canary, join(data, 'x'))],
    ['a link to what does not exist outside', 'x', () => symlink(join(bed.outside, 'new'), join(data, 'x'))],
    ['what does not exist below a link', 'x/new/deep', () => symlink(bed.outside, join(data, 'x'))],
    ['a relative link that climbs', 'x', () => symlink('../../../../../../outside', join(data, 'x'))],
    ['a link to another volume', 'x', () => symlink('../../kubernetes.io~secret', join(data, 'x'))],
    ['a link to the root directory', 'x/etc', () => symlink('/', join(data, 'x'))],
    ['a link to itself', 'x', () => symlink('x', join(data, 'x'))],
    [
      'a chain of forty links',
      'x0',
      async () => {
        for (let at = 0; at < 39; at++) await symlink(`x${at + 1}`, join(data, `x${at}`));
        await symlink(bed.outside, join(data, 'x39'));
      },
    ],
    ['a link to a handle of the agent', 'x', () => symlink('/proc/self/root', join(data, 'x'))],
  ];
  for (const [what, subPath, fill] of links) {
    test(`${what} is refused, and nothing is mounted or made`, async () => {
      await assert.rejects(subPathAfter(subPath, fill), refused);
      assert.deepEqual(await mountsBelow(join(bed.root, 'pods')), []);
      assert.deepEqual(await readdir(bed.outside), ['canary']);
    });
  }

  test('a link that stays in the volume is followed', async () => {
    const [mount] = await subPathAfter('x', async () => {
      await mkdir(join(data, 'real'));
      await writeFile(join(data, 'real/file'), 'mine');
      await symlink('real', join(data, 'x'));
    });
    assert.equal(await readFile(join(mount?.hostPath ?? '', 'file'), 'utf8'), 'mine');
  });

  test('what was bound stays when the pod puts a link in its place', async () => {
    const desired = mounting({ subPath: 'x' });
    await bed.volumes.ensure(desired, never);
    await mkdir(join(data, 'x'));
    const [mount] = await mountsOf(desired);
    await rename(join(data, 'x'), join(data, 'y'));
    await symlink(bed.outside, join(data, 'x'));
    assert.deepEqual(await readdir(mount?.hostPath ?? ''), []);
    await assert.rejects(mountsOf(desired), refused);
  });

  test('a container that starts again gets what the path names now, with one mount', async () => {
    const desired = mounting({ subPath: 'x' });
    await bed.volumes.ensure(desired, never);
    const [first] = await mountsOf(desired);
    assert.deepEqual(await mountsOf(desired), [first]);
    await rm(join(data, 'x'), { recursive: true });
    await writeFile(join(data, 'x'), 'a file now');
    const [second] = await mountsOf(desired);
    assert.equal(await readFile(second?.hostPath ?? '', 'utf8'), 'a file now');
    assert.equal((await mountsBelow(join(bed.root, 'pods'))).length, 1);
  });

  test('directories are made with the permissions of the volume', async () => {
    const [mount] = await subPathAfter('new/deep', async () => {});
    assert.equal((await stat(mount?.hostPath ?? '')).mode & 0o7777, 0o777);
    assert.equal((await stat(join(data, 'new'))).mode & 0o7777, 0o777);
  });

  test('a FIFO and a socket hang nobody', async () => {
    const [mount] = await subPathAfter('fifo', () => run('mkfifo', [join(data, 'fifo')]));
    assert.ok((await stat(mount?.hostPath ?? '')).isFIFO());
  });

  test('expressions that expand to a way out are refused before anything is touched', async () => {
    const desired = mounting({ subPathExpr: '$(WAY)' });
    await bed.volumes.ensure(desired, never);
    for (const [way, message] of [
      ['..', "unable to provision SubPath `..`: must not contain '..'"],
      ['/etc', 'error SubPath `/etc` must not be an absolute path'],
      ['', 'missing value for WAY'],
    ] as const) {
      await assert.rejects(mountsOf(desired, { WAY: way }), { name: 'VolumeError', message });
    }
  });

  test('names with newlines, colons, spaces and dashes are taken literally', async () => {
    for (const subPath of [
      'line\nbreak',
      '-o ro',
      'x:ro',
      '$(touch pwned)',
      ';id',
      '__proto__',
      'a\\040b',
      'ü\u0301',
    ]) {
      const desired = mounting({ subPath });
      await bed.volumes.ensure(desired, never);
      await mkdir(join(data, subPath), { recursive: true });
      await writeFile(join(data, subPath, 'mark'), subPath);
      const [mount] = await mountsOf(desired);
      assert.equal(await readFile(join(mount?.hostPath ?? '', 'mark'), 'utf8'), subPath);
      assert.equal(mount?.readOnly, false);
      assert.equal(mount?.containerPath, '/m');
    }
  });

  for (const [how, program] of Object.entries(swappers)) {
    test(`a race that puts ${how}, over and over, never shows what is outside`, async () => {
      const desired = mounting({ subPath: 'x/inner' });
      await bed.volumes.ensure(desired, never);
      await mkdir(join(bed.outside, 'inner'));
      await writeFile(join(bed.outside, 'inner/canary'), secretText);
      const swapper = spawn(process.execPath, ['-e', program, data, bed.outside], { stdio: 'ignore' });
      const exit = once(swapper, 'exit');
      try {
        let bound = 0;
        let lost = 0;
        for (const stopAt = Date.now() + 20_000; Date.now() < stopAt && (bound < 150 || lost < 150); ) {
          const mounts = await mountsOf(desired).catch(() => undefined);
          if (!mounts) lost++;
          else {
            bound++;
            assert.equal((await readdir(mounts[0]?.hostPath ?? '')).includes('canary'), false);
          }
        }
        assert.ok(bound > 0 && lost > 0, `bound ${bound} times, refused ${lost} times: this was no race`);
        assert.equal(swapper.exitCode, null);
      } finally {
        swapper.kill('SIGKILL');
        await exit;
        await rm(join(bed.outside, 'inner'), { recursive: true });
      }
    });
  }
});

describe('written volumes', () => {
  const conf: Volume = { name: 'conf', configMap: { name: 'settings' } };
  let directory: string;
  beforeEach(() => {
    directory = join(bed.root, 'pods', uid, 'volumes/kubernetes.io~configmap/conf');
    bed.objects.putConfigMap('settings', { a: '1' });
  });

  test('a ..data that a pod has turned to the host is not followed, neither by updates nor by removal', async () => {
    const desired = mounting({}, conf);
    await bed.volumes.ensure(desired, never);
    for (const target of [bed.outside, '../../../../../../outside', '..']) {
      await rm(join(directory, '..data'));
      await symlink(target, join(directory, '..data'));
      bed.objects.putConfigMap('settings', { a: '2', canary: 'new' });
      await bed.volumes.ensure(desired, never);
      assert.equal(await readFile(join(directory, 'canary'), 'utf8'), 'new');
      assert.equal(await readFile(canary, 'utf8'), secretText);
    }
  });

  test('user-visible names that a pod has turned into its own links are neither followed nor removed', async () => {
    const desired = mounting({}, conf);
    await bed.volumes.ensure(desired, never);
    await symlink(canary, join(directory, 'mine'));
    await rm(join(directory, 'a'));
    await symlink(canary, join(directory, 'a'));
    bed.objects.putConfigMap('settings', { a: '2' });
    await bed.volumes.ensure(desired, never);
    assert.equal(await readlink(join(directory, 'mine')), canary);
    assert.equal(await readFile(canary, 'utf8'), secretText);
  });

  test('a FIFO among the files hangs no update', async () => {
    const desired = mounting({}, conf);
    await bed.volumes.ensure(desired, never);
    const stamp = await readlink(join(directory, '..data'));
    await rm(join(directory, stamp, 'a'));
    await run('mkfifo', [join(directory, stamp, 'a')]);
    await bed.volumes.ensure(desired, never);
    assert.equal(await readFile(join(directory, 'a'), 'utf8'), '1');
  });

  for (const path of ['../../../../../../../outside/canary', '/etc/cron.d/x', '..data/x', 'a/../../x', '']) {
    test(`an item at ${JSON.stringify(path)} is refused`, async () => {
      const items = [{ key: 'a', path }];
      await assert.rejects(
        bed.volumes.ensure(mounting({}, { name: 'conf', configMap: { name: 'settings', items } }), never),
        {
          message: /^MountVolume\.SetUp failed for volume "conf" : invalid path: /,
        },
      );
    });
  }

  test('no secret is left on disk after the pod is gone', async () => {
    bed.objects.putSecret('login', { password: 'correct horse battery' });
    const desired = mounting({}, { name: 'login', secret: { secretName: 'login' } });
    await bed.volumes.ensure(desired, never);
    // The directory below the tmpfs, as it would be found on the disk.
    const below = join(bed.outside, 'below');
    await mkdir(below);
    await bindMount(bed.root, below);
    try {
      assert.deepEqual(await readdir(join(below, 'pods', uid, 'volumes/kubernetes.io~secret/login')), []);
      await bed.volumes.remove(uid, never);
      await assert.rejects(stat(join(below, 'pods', uid, 'volumes')), { code: 'ENOENT' });
    } finally {
      await unmount(below);
      await rm(below, { recursive: true });
    }
  });

  test('an object of the same name in another namespace is another object', async () => {
    const desired = mounting({}, conf);
    const elsewhere = {
      ...desired,
      pod: { ...desired.pod, metadata: { ...desired.pod.metadata, namespace: 'other' } },
    };
    await assert.rejects(bed.volumes.ensure(elsewhere, never), { message: /configmap "settings" not found$/ });
  });
});

describe('hostPath', () => {
  const at = (path: string, type?: string): DesiredPod =>
    mounting({}, { name: 'data', hostPath: { path, ...(type === undefined ? {} : { type: type as 'File' }) } });

  test('backsteps, relative paths and NUL bytes are refused', async () => {
    for (const path of ['/a/../etc', 'etc', '', '/a\0b']) {
      await assert.rejects(bed.volumes.ensure(at(path), never), { message: /invalid HostPath/ });
    }
  });

  test('shell words, colons and dashes in a path are names', async () => {
    for (const name of ['$(touch pwned)', ';id', '`id`', 'a:b:ro', '-rf', 'sp ace', 'new\nline']) {
      const path = join(bed.outside, 'odd', name);
      const desired = at(path, 'DirectoryOrCreate');
      await bed.volumes.ensure(desired, never);
      assert.ok((await stat(path)).isDirectory());
      assert.equal((await mountsOf(desired))[0]?.hostPath, path);
    }
    await rm(join(bed.outside, 'odd'), { recursive: true });
    await assert.rejects(stat('pwned'), { code: 'ENOENT' });
  });

  test('its content is never given to the fsGroup', async () => {
    const desired = at(bed.outside);
    const grouped = {
      ...desired,
      pod: { ...desired.pod, spec: { ...desired.pod.spec, securityContext: { fsGroup: 77 } } },
    };
    await bed.volumes.ensure(grouped, never);
    assert.notEqual((await stat(canary)).gid, 77);
  });
});

describe('removal', () => {
  test('links and devices lose only their names', async () => {
    await bed.volumes.ensure(mounting({}), never);
    await symlink(bed.outside, join(data, 'link'));
    await run('mknod', [join(data, 'null'), 'c', '1', '3']);
    await bed.volumes.forget(uid, never);
    assert.deepEqual(await readdir(bed.outside), ['canary']);
  });

  test('a volume directory that was replaced by a link is not emptied', async () => {
    await bed.volumes.ensure(mounting({}), never);
    await rm(data, { recursive: true });
    await symlink(bed.outside, data);
    await bed.volumes.forget(uid, never);
    assert.deepEqual(await readdir(bed.outside), ['canary']);
  });

  test('what somebody has mounted in a volume is unmounted, never emptied', async () => {
    await bed.volumes.ensure(mounting({}), never);
    await mkdir(join(data, 'deep/er'), { recursive: true });
    await bindMount(bed.outside, join(data, 'deep/er'));
    await bed.volumes.forget(uid, never);
    assert.deepEqual(await readdir(bed.outside), ['canary']);
    assert.deepEqual(await mountsBelow(join(bed.root, 'pods')), []);
  });

  test('while a mount is busy nothing at all is removed', async () => {
    await bed.volumes.ensure(mounting({}), never);
    await mkdir(join(data, 'm'));
    await writeFile(join(data, 'kept'), 'yes');
    await bindMount(bed.outside, join(data, 'm'));
    const holder = spawn('sleep', ['600'], { cwd: join(data, 'm'), stdio: 'ignore' });
    await once(holder, 'spawn');
    try {
      await assert.rejects(bed.volumes.forget(uid, never), { name: 'CommandError', message: /busy/ });
      assert.equal(await readFile(join(data, 'kept'), 'utf8'), 'yes');
      assert.deepEqual(await bed.volumes.known(), [uid]);
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    await bed.volumes.forget(uid, never);
    assert.deepEqual(await bed.volumes.known(), []);
  });

  test('of a volume that is not ours only the empty mount point is removed', async () => {
    const foreign = join(bed.root, 'pods', uid, 'volumes/kubernetes.io~nfs/share');
    await mkdir(foreign, { recursive: true });
    await writeFile(join(foreign, 'precious'), 'data');
    await assert.rejects(bed.volumes.forget(uid, never), { code: 'ENOTEMPTY' });
    assert.equal(await readFile(join(foreign, 'precious'), 'utf8'), 'data');
    await rm(join(foreign, 'precious'));
  });

  test('directories nested without end and names that are no UTF-8 are removed', async () => {
    await bed.volumes.ensure(mounting({}), never);
    const program = `
      process.chdir(process.argv[1]);
      const fs = require('node:fs');
      fs.writeFileSync(Buffer.from([0xff, 0xfe, 0x0a]), '');
      for (let at = 0; at < 3000; at++) { fs.mkdirSync('d'); process.chdir('d'); }`;
    await run(process.execPath, ['-e', program, data]);
    await bed.volumes.forget(uid, never);
    assert.deepEqual(await bed.volumes.known(), []);
  });

  test('a UID that is no name reaches nothing', async () => {
    for (const bad of ['..', '../pods', '', '/', 'a/../..']) {
      await assert.rejects(bed.volumes.forget(bad, never), /cannot be the name of a directory/);
    }
    await lstat(join(bed.root, 'pods'));
  });
});

test('the fsGroup pass follows no link and changes no file outside', async () => {
  bed.objects.putSecret('login', { a: '1' });
  const volume: Volume = { name: 'login', secret: { secretName: 'login' } };
  const desired = mounting({}, volume);
  const grouped = {
    ...desired,
    pod: { ...desired.pod, spec: { ...desired.pod.spec, securityContext: { fsGroup: 77 } } },
  };
  const directory = join(bed.root, 'pods', uid, 'volumes/kubernetes.io~secret/login');
  await mkdir(directory, { recursive: true });
  await bed.volumes.ensure(grouped, never);
  assert.equal((await mountAt(directory))?.fsType, 'tmpfs');
  await chown(canary, 0, 0);
  await symlink(bed.outside, join(directory, 'link'));
  bed.objects.putSecret('login', { a: '2' });
  await bed.volumes.ensure(grouped, never);
  assert.equal((await stat(canary)).gid, 0);
  assert.equal((await stat(bed.outside)).gid, 0);
});
