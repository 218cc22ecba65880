// The services of systemd on a machine that joined: stopped and disabled, and what join wrote for them removed.
import { existsSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { CONFLIST_FILE } from '../agent/network/ensure-conflist.ts';
import { run } from '../host/commands.ts';
import { removeFile } from '../host/files.ts';
import { files, units } from './layout.ts';

const stopMs = 120_000;
/** Where the agent of a service keeps its network configuration: where everybody does. */
const conflist = `/etc/cni/net.d/${CONFLIST_FILE}`;

/** Repeatable; without systemd, or without our units, there is nothing to stop. Returns what was done. */
export async function leaveServices(): Promise<string> {
  const installed = Object.values(units).filter((unit) => existsSync(`/usr/lib/systemd/system/${unit}`));
  if (existsSync('/run/systemd/system') && installed.length > 0)
    await run('systemctl', ['disable', '--now', ...installed], { timeoutMs: stopMs });
  const { ca, bootstrap, kubeconfig, kubeletArgs, proxyArgs } = files;
  for (const file of [kubeletArgs, proxyArgs, kubeconfig, bootstrap, ca, conflist]) await removeFile(file);
  // The package's own settings keep the directory of settings; the network's goes when it was ours alone.
  await rmdir('/etc/cni/net.d').catch(() => {});
  return installed.length > 0 ? `${installed.join(', ')} stopped` : 'none';
}
