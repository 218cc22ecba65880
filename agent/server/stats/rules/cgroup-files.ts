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
  readonly processes: number;
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

export function readLegacy(file: FileText): CgroupReading {
  const ticks = parseKeyed(file('cpuacct.stat'));
  const throttle = parseKeyed(file('cpu.stat'));
  const memory = parseKeyed(file('memory.stat'));
  const memoryBytes = number(file('memory.usage_in_bytes'));
  const limit = number(file('memory.limit_in_bytes'));
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
    processes: number(file('pids.current')),
  };
}

export function readUnified(file: FileText): CgroupReading {
  const cpu = parseKeyed(file('cpu.stat'));
  const memory = parseKeyed(file('memory.stat'));
  const nanos = (name: string): number => (cpu.get(name) ?? 0) * 1000;
  const memoryBytes = number(file('memory.current'));
  const limit = file('memory.max').trim();
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
    processes: number(file('pids.current')),
  };
}
