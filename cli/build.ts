// Bundles what ships: the nodelet program, and the CNI plugin as one lean file that starts fast.
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');

const common = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node24',
  logLevel: 'error',
  legalComments: 'none',
} as const;

await Promise.all([
  build({
    ...common,
    entryPoints: [join(root, 'cli/main.ts')],
    outfile: join(dist, 'nodelet.cjs'),
    // Native extras of ssh2, which reaches Docker over SSH: we never do.
    external: ['cpu-features', '*.node'],
    sourcemap: 'linked',
  }),
  build({
    ...common,
    entryPoints: [join(root, 'cni/main.ts')],
    outfile: join(dist, 'cni/nodelet-bridge.cjs'),
    minify: true,
  }),
]);

// The kernel runs it through the Node that it was built with, wherever PATH points.
const plugin = join(dist, 'cni', 'nodelet-bridge');
await writeFile(plugin, `#!/bin/sh\nexec ${process.execPath} ${join(dist, 'cni/nodelet-bridge.cjs')}\n`);
await chmod(plugin, 0o755);
