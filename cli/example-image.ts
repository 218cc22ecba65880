// The image of the examples, made from Debian's busybox-static where the engine does not have it (decision 6).
import { createReadStream, existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Engine, isNotFound } from '../agent/docker/engine.ts';
import { run } from '../host/commands.ts';

export const exampleImage = 'nodelet.local/busybox:1';
const busybox = '/bin/busybox';

/** Resolves to what was done. Without /bin/busybox there is no example image, and that is said. */
export async function ensureExampleImage(engine: Engine): Promise<string> {
  try {
    await engine.inspectImage(exampleImage);
    return `${exampleImage} is there`;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  if (!existsSync(busybox)) return `none: no ${busybox}`;
  const directory = await mkdtemp(join(tmpdir(), 'nodelet-image-'));
  try {
    await engine.importImage(createReadStream(await packBusybox(directory)), exampleImage, [
      'CMD ["sh"]',
      'ENV PATH=/bin',
    ]);
  } finally {
    await rm(directory, { recursive: true });
  }
  return `${exampleImage} made from ${busybox}`;
}

async function packBusybox(directory: string): Promise<string> {
  const root = join(directory, 'root');
  for (const name of ['bin', 'etc', 'root', 'home', 'tmp']) await mkdir(join(root, name), { recursive: true });
  await chmod(join(root, 'tmp'), 0o1777);
  await copyFile(busybox, join(root, 'bin/busybox'));
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  await writeFile(join(root, 'etc/group'), 'root:x:0:\n');
  const { stdout } = await run(busybox, ['--list']);
  const applets = stdout.split('\n').filter((name) => name !== '' && name !== 'busybox');
  for (const applet of applets) await symlink('busybox', join(root, 'bin', applet));
  const tar = join(directory, 'root.tar');
  await run('tar', ['-C', root, '--numeric-owner', '--owner=0', '--group=0', '-cf', tar, '.']);
  return tar;
}
