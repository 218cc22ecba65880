// kill -9 while volumes are made ready or taken away: the next start finishes what was begun, and no data is lost.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { mountsBelow } from '../../host/mounts.ts';
import { uid } from '../builders/pod.ts';
import { createVolumesBed, type VolumesBed } from '../rig/volumes.ts';
import { victim } from '../rig/volumes-victim.ts';

const never = new AbortController().signal;
const program = join(import.meta.dirname, '../rig/volumes-process.ts');
const rounds = 10;
let bed: VolumesBed;

before(async () => {
  bed = await createVolumesBed();
  bed.objects.putSecret('login', { user: 'anna', password: 'pw' });
  bed.objects.putConfigMap('settings', { a: 'last', b: '2' });
  await mkdir(join(bed.outside, 'precious'));
  await writeFile(join(bed.outside, 'precious/data'), 'kept');
  await bed.volumes.known();
});
after(() => bed.remove());

/** Starts the process and kills it so long after it began its work; resolves with how long the whole work took, or undefined. */
async function killed(what: 'ensure' | 'forget', afterMs: number): Promise<number | undefined> {
  const child = spawn(process.execPath, [program, bed.root, bed.outside, what], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const exited = once(child, 'exit');
  let output = '';
  const started = Promise.withResolvers<void>();
  child.stdout.on('data', (chunk) => {
    output += String(chunk);
    started.resolve();
  });
  await Promise.race([started.promise, exited]);
  const startedAt = performance.now();
  await Promise.race([sleep(afterMs), exited]);
  // With its mount programs, as a service manager does: one that goes on alone would race with the next start.
  if (child.exitCode === null && child.pid) process.kill(-child.pid, 'SIGKILL');
  await exited;
  return output.includes('done') ? performance.now() - startedAt : undefined;
}

async function makeReady(): Promise<void> {
  const volumes = bed.restarted();
  const desired = victim(bed.outside);
  await volumes.ensure(desired, never);
  for (const container of desired.pod.spec.containers) {
    const mounts = await volumes.mountsFor(desired, container, { env: {} }, never);
    assert.deepEqual(await readdir(mounts[4]?.hostPath ?? ''), ['data']);
    assert.equal(await readFile(mounts[2]?.hostPath ?? '', 'utf8'), 'anna');
  }
}

const volume = (path: string): string => join(bed.root, 'pods', uid, 'volumes', path);

test('killed anywhere in making ready, the next start makes the same volumes ready once', async () => {
  const wholeMs = (await killed('ensure', 30_000)) ?? 0;
  assert.ok(wholeMs > 0);
  await bed.restarted().forget(uid, never);
  for (let round = 0; round < rounds; round++) {
    await killed('ensure', (wholeMs * round) / rounds);
    await makeReady();
    const data = volume('kubernetes.io~empty-dir/data');
    assert.equal((await stat(data)).gid, 4242);
    assert.equal(await readFile(join(volume('kubernetes.io~configmap/settings'), 'a'), 'utf8'), 'last');
    const stamps = (await readdir(volume('kubernetes.io~configmap/settings'))).filter((name) => /^\.\.\d/.test(name));
    assert.equal(stamps.length, 1);
    // tmpfs for "fast" and "login", and three subPaths: never two for one.
    assert.equal((await mountsBelow(join(bed.root, 'pods'))).length, 5);
    await writeFile(join(data, 'mine'), 'kept');
    await killed('ensure', (wholeMs * round) / rounds);
    assert.equal(await readFile(join(data, 'mine'), 'utf8'), 'kept');
    await bed.restarted().forget(uid, never);
    assert.deepEqual(await mountsBelow(join(bed.root, 'pods')), []);
  }
});

test('killed anywhere in taking away, the next start takes the rest away and nothing else', async () => {
  await makeReady();
  const wholeMs = (await killed('forget', 30_000)) ?? 0;
  assert.ok(wholeMs > 0);
  for (let round = 0; round < rounds; round++) {
    await makeReady();
    for (let at = 0; at < 50; at++) await writeFile(join(volume('kubernetes.io~empty-dir/data'), `file-${at}`), '');
    await killed('forget', (wholeMs * round) / rounds);
    const volumes = bed.restarted();
    for (const known of await volumes.known()) await volumes.forget(known, never);
    assert.deepEqual(await volumes.known(), []);
    assert.deepEqual(await mountsBelow(join(bed.root, 'pods')), []);
    assert.equal(await readFile(join(bed.outside, 'precious/data'), 'utf8'), 'kept');
  }
});
