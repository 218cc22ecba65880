// Kernel settings that the proxy needs or was asked to make.
import { readFile, writeFile } from 'node:fs/promises';
import type { ConntrackConfig } from '../config/config.ts';

const conntrack = 'net/netfilter/nf_conntrack_';
const highest = 1_048_576;

/** The table's size for a machine: undefined where it is left alone. */
export function tableSize({ maxPerCore, min }: ConntrackConfig, cores: number): number | undefined {
  if (maxPerCore === 0) return undefined;
  const byCores = maxPerCore * cores;
  return byCores > min ? Math.min(byCores, Math.max(highest, min)) : min;
}

/** What to set, by path below /proc/sys; `isAtLeast`: a higher value stays. */
export function wantedSysctls(
  config: ConntrackConfig,
  cores: number,
): { readonly path: string; readonly value: number; readonly isAtLeast: boolean }[] {
  const seconds = (name: string, value: number | undefined) =>
    value === undefined ? [] : [{ path: `${conntrack}${name}`, value, isAtLeast: false }];
  const max = tableSize(config, cores);
  return [
    ...(max === undefined ? [] : [{ path: `${conntrack}max`, value: max, isAtLeast: true }]),
    ...seconds('tcp_timeout_established', config.tcpEstablishedSeconds),
    ...seconds('tcp_timeout_close_wait', config.tcpCloseWaitSeconds),
    ...seconds('udp_timeout', config.udpSeconds),
    ...seconds('udp_timeout_stream', config.udpStreamSeconds),
    ...(config.tcpBeLiberal ? [{ path: `${conntrack}tcp_be_liberal`, value: 1, isAtLeast: false }] : []),
  ];
}

export async function readSysctl(path: string): Promise<number | undefined> {
  const text = await readFile(`/proc/sys/${path}`, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : Number(text);
}

/** Sets each value that differs. Returns what could not be set: in a container or a namespace not everything may. */
export async function applySysctls(
  wanted: readonly { readonly path: string; readonly value: number; readonly isAtLeast: boolean }[],
): Promise<string[]> {
  const refused: string[] = [];
  for (const { path, value, isAtLeast } of wanted) {
    const now = await readSysctl(path);
    if (now === value || (isAtLeast && now !== undefined && now >= value)) continue;
    await writeFile(`/proc/sys/${path}`, String(value)).catch(() => refused.push(path));
  }
  return refused;
}
