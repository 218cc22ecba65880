// What the kernel says of a control group, versions 1 and 2, as one set of figures.

export interface CgroupReading {
  readonly cpuNanos: number;
  readonly userNanos: number;
  readonly systemNanos: number;
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledNanos: number;
  readonly memoryBytes: number;
  /** What cannot be taken back at once: usage without the inactive file cache, as every tool of Kubernetes counts it. */
  readonly workingSetBytes: number;
  readonly rssBytes: number;
  readonly cacheBytes: number;
  readonly swapBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
  /** Undefined: no limit. */
  readonly memoryLimitBytes: number | undefined;
  /** Undefined where the kernel does not keep it. */
  readonly memoryPeakBytes: number | undefined;
  /** How often the limit was hit, and how often somebody was killed for it. */
  readonly memoryFailures: number;
  readonly oomKills: number;
  readonly cpuShares: number;
  /** Of each period; undefined: no limit. */
  readonly cpuQuotaMicros: number | undefined;
  readonly cpuPeriodMicros: number;
  readonly ioReadBytes: number;
  readonly ioWrittenBytes: number;
  readonly processes: number;
  readonly threads: number;
  /** Time lost waiting; undefined where the kernel does not count it (version 1, or PSI switched off). */
  readonly pressure: Readonly<Record<PressedResource, Pressing>> | undefined;
}

export type PressedResource = 'cpu' | 'memory' | 'io';
export interface Stall {
  readonly totalMicros: number;
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
}
/** `some`: somebody waited. `full`: everybody did. */
export interface Pressing {
  readonly some: Stall;
  readonly full: Stall;
}

/** Where a process is counted: by controller in version 1, all in one place in version 2. */
export type CgroupPlace =
  | { readonly version: 1; readonly paths: ReadonlyMap<string, string> }
  | { readonly version: 2; readonly path: string };

/** Reads /proc/<pid>/cgroup. A machine with both versions mounted counts by version 1. */
export function parseCgroupPlace(text: string): CgroupPlace | undefined {
  const paths = new Map<string, string>();
  let unified: string | undefined;
  for (const line of text.split('\n')) {
    const [, id, controllers = '', path = ''] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (id === '0' && controllers === '') unified = path;
    else for (const controller of controllers.split(',')) if (controller !== '') paths.set(controller, path);
  }
  if (paths.has('memory') && paths.has('cpuacct')) return { version: 1, paths };
  return unified === undefined ? undefined : { version: 2, path: unified };
}

/** The place around it, when it is the pod's own: named after its UID, with dashes or (systemd) underscores. */
export function podPlace(place: CgroupPlace, uid: string): CgroupPlace | undefined {
  const parent = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
  const isPods = (path: string): boolean =>
    [uid, uid.replaceAll('-', '_')].some((name) => path.slice(path.lastIndexOf('/')).includes(`pod${name}`));
  if (place.version === 2) {
    const path = parent(place.path);
    return isPods(path) ? { version: 2, path } : undefined;
  }
  const paths = new Map([...place.paths].map(([controller, path]) => [controller, parent(path)]));
  return isPods(paths.get('memory') ?? '') ? { version: 1, paths } : undefined;
}

/** "name value" lines. */
export function parseKeyed(text: string): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name = '', value] = /^(\S+?):?\s+(\d+)/.exec(line) ?? [];
    if (value !== undefined) values.set(name, Number(value));
  }
  return values;
}

/** A file's text by its name; "" for one that is not there. */
export type FileText = (name: string) => string;

const number = (text: string): number => Number(/^\d+/.exec(text.trim())?.[0] ?? 0);
/** Version 1 says "no limit" with the largest multiple of a page. */
const unlimited = 2 ** 60;
const tickNanos = 10_000_000;

const lineCount = (text: string): number => text.split('\n').filter((line) => line !== '').length;

export function readLegacy(file: FileText): CgroupReading {
  const ticks = parseKeyed(file('cpuacct.stat'));
  const throttle = parseKeyed(file('cpu.stat'));
  const memory = parseKeyed(file('memory.stat'));
  const memoryBytes = number(file('memory.usage_in_bytes'));
  const limit = number(file('memory.limit_in_bytes'));
  const quota = number(file('cpu.cfs_quota_us'));
  const threads = number(file('pids.current'));
  const moved = (direction: string): number =>
    [...file('blkio.throttle.io_service_bytes').matchAll(/^\S+ (\S+) (\d+)$/gm)]
      .filter(([, name]) => name === direction)
      .reduce((sum, [, , bytes]) => sum + Number(bytes), 0);
  return {
    cpuNanos: number(file('cpuacct.usage')),
    userNanos: (ticks.get('user') ?? 0) * tickNanos,
    systemNanos: (ticks.get('system') ?? 0) * tickNanos,
    periods: throttle.get('nr_periods') ?? 0,
    throttledPeriods: throttle.get('nr_throttled') ?? 0,
    throttledNanos: throttle.get('throttled_time') ?? 0,
    memoryBytes,
    workingSetBytes: Math.max(0, memoryBytes - (memory.get('total_inactive_file') ?? 0)),
    rssBytes: memory.get('total_rss') ?? 0,
    cacheBytes: memory.get('total_cache') ?? 0,
    swapBytes: memory.get('total_swap') ?? 0,
    pageFaults: memory.get('total_pgfault') ?? 0,
    majorPageFaults: memory.get('total_pgmajfault') ?? 0,
    memoryLimitBytes: limit === 0 || limit >= unlimited ? undefined : limit,
    memoryPeakBytes: number(file('memory.max_usage_in_bytes')),
    memoryFailures: number(file('memory.failcnt')),
    oomKills: parseKeyed(file('memory.oom_control')).get('oom_kill') ?? 0,
    cpuShares: number(file('cpu.shares')),
    cpuQuotaMicros: quota > 0 ? quota : undefined,
    cpuPeriodMicros: number(file('cpu.cfs_period_us')),
    ioReadBytes: moved('Read'),
    ioWrittenBytes: moved('Write'),
    // A group that only holds other groups lists no processes of its own.
    processes: lineCount(file('cgroup.procs')) || threads,
    threads,
    pressure: undefined,
  };
}

/** 1..10000 of weight back onto 2..262144 shares, as dashboards know them. */
const sharesOf = (weight: number): number => (weight === 0 ? 0 : 2 + Math.floor(((weight - 1) * 262_142) / 9999));

export function readUnified(file: FileText): CgroupReading {
  const cpu = parseKeyed(file('cpu.stat'));
  const memory = parseKeyed(file('memory.stat'));
  const events = parseKeyed(file('memory.events'));
  const nanos = (name: string): number => (cpu.get(name) ?? 0) * 1000;
  const memoryBytes = number(file('memory.current'));
  const limit = file('memory.max').trim();
  const peak = file('memory.peak').trim();
  const [quota = '', period = ''] = file('cpu.max').trim().split(' ');
  const threads = number(file('pids.current'));
  const moved = (name: string): number =>
    [...file('io.stat').matchAll(new RegExp(`\\b${name}=(\\d+)`, 'g'))].reduce(
      (sum, [, bytes]) => sum + Number(bytes),
      0,
    );
  return {
    cpuNanos: nanos('usage_usec'),
    userNanos: nanos('user_usec'),
    systemNanos: nanos('system_usec'),
    periods: cpu.get('nr_periods') ?? 0,
    throttledPeriods: cpu.get('nr_throttled') ?? 0,
    throttledNanos: nanos('throttled_usec'),
    memoryBytes,
    workingSetBytes: Math.max(0, memoryBytes - (memory.get('inactive_file') ?? 0)),
    rssBytes: memory.get('anon') ?? 0,
    cacheBytes: memory.get('file') ?? 0,
    swapBytes: number(file('memory.swap.current')),
    pageFaults: memory.get('pgfault') ?? 0,
    majorPageFaults: memory.get('pgmajfault') ?? 0,
    memoryLimitBytes: limit === '' || limit === 'max' ? undefined : number(limit),
    memoryPeakBytes: peak === '' ? undefined : number(peak),
    memoryFailures: events.get('max') ?? 0,
    oomKills: events.get('oom_kill') ?? 0,
    cpuShares: sharesOf(number(file('cpu.weight'))),
    cpuQuotaMicros: quota === '' || quota === 'max' ? undefined : number(quota),
    cpuPeriodMicros: number(period),
    ioReadBytes: moved('rbytes'),
    ioWrittenBytes: moved('wbytes'),
    processes: lineCount(file('cgroup.procs')) || threads,
    threads,
    pressure: pressureOf(file),
  };
}

function pressureOf(file: FileText): CgroupReading['pressure'] {
  const [cpu, memory, io] = ['cpu', 'memory', 'io'].map((name) => parsePressing(file(`${name}.pressure`)));
  return cpu && memory && io ? { cpu, memory, io } : undefined;
}

/** "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and the same for "full". */
export function parsePressing(text: string): Pressing | undefined {
  const stall = (kind: string): Stall | undefined => {
    const [, avg10, avg60, avg300, total] =
      new RegExp(`^${kind} avg10=(\\S+) avg60=(\\S+) avg300=(\\S+) total=(\\d+)`, 'm').exec(text) ?? [];
    if (total === undefined) return undefined;
    return { avg10: Number(avg10), avg60: Number(avg60), avg300: Number(avg300), totalMicros: Number(total) };
  };
  const [some, full] = [stall('some'), stall('full')];
  // Older kernels do not say "full" of the CPU.
  return some && { some, full: full ?? { avg10: 0, avg60: 0, avg300: 0, totalMicros: 0 } };
}
