// Texts of /proc, /sys and /etc as facts.

export interface MemoryFacts {
  readonly totalBytes: number;
  /** What is neither used nor worth keeping: free, and file cache that nobody touched lately. */
  readonly availableBytes: number;
  readonly swapTotalBytes: number;
}

/** /proc/meminfo. The working set is what is used less the inactive file cache, as the eviction thresholds mean it. */
export function parseMeminfo(text: string): MemoryFacts {
  const bytes = (name: string): number => {
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${name}:`));
    return Number(/(\d+) kB/.exec(line ?? '')?.[1] ?? 0) * 1024;
  };
  return {
    totalBytes: bytes('MemTotal'),
    availableBytes: bytes('MemFree') + bytes('Inactive(file)'),
    swapTotalBytes: bytes('SwapTotal'),
  };
}

/** "0-3,8" of /sys/devices/system/cpu/online: how many. */
export function countCpus(list: string): number {
  return list
    .trim()
    .split(',')
    .map((range) => range.split('-').map(Number))
    .reduce((sum, [first = 0, last = first]) => sum + last - first + 1, 0);
}

/** PRETTY_NAME of /etc/os-release. */
export function parseOsName(text: string): string {
  const name = /^PRETTY_NAME=(.*)$/m.exec(text)?.[1]?.trim() ?? '';
  return name.replace(/^(["'])(.*)\1$/, '$2') || 'Linux';
}

/** /proc/net/route: the interface of the IPv4 default route with the lowest metric. */
export function parseDefaultInterface(text: string): string | undefined {
  const routes = text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')
    .sort((a, b) => Number(a[6]) - Number(b[6]));
  return routes[0]?.[0];
}

/** /proc/net/ipv6_route: the same for IPv6. Metrics are hexadecimal; the loopback's unreachable default does not count. */
export function parseDefaultInterface6(text: string): string | undefined {
  const routes = text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([destination = '', prefix, ...rest]) => /^0{32}$/.test(destination) && prefix === '00' && rest[7] !== 'lo')
    .sort((a, b) => Number.parseInt(a[5] ?? '0', 16) - Number.parseInt(b[5] ?? '0', 16));
  return routes[0]?.[9];
}

/** "12 345" or "max": /proc/loadavg's fourth field is "running/all"; all tasks of the machine. */
export function parseTaskCount(loadavg: string): number {
  return Number(/\d+\/(\d+)/.exec(loadavg)?.[1] ?? 0);
}
