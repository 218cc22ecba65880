// From the kernel's files to figures: control groups of both versions, /proc, network devices, rates.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  parseCgroupPlace,
  podPlace,
  readLegacy,
  readUnified,
} from '../../../../../../agent/server/stats/rules/cgroup-files.ts';
import { readInterfaces, readMachine } from '../../../../../../agent/server/stats/rules/proc-files.ts';
import { type Rate, rateOf } from '../../../../../../agent/server/stats/rules/rates.ts';

const files =
  (texts: Readonly<Record<string, string>>) =>
  (name: string): string =>
    texts[name] ?? '';

const nothing = {
  cpuNanos: 0,
  userNanos: 0,
  systemNanos: 0,
  periods: 0,
  throttledPeriods: 0,
  throttledNanos: 0,
  memoryBytes: 0,
  workingSetBytes: 0,
  rssBytes: 0,
  cacheBytes: 0,
  swapBytes: 0,
  pageFaults: 0,
  majorPageFaults: 0,
  memoryLimitBytes: undefined,
  memoryPeakBytes: undefined,
  memoryFailures: 0,
  oomKills: 0,
  cpuShares: 0,
  cpuQuotaMicros: undefined,
  cpuPeriodMicros: 0,
  ioReadBytes: 0,
  ioWrittenBytes: 0,
  processes: 0,
  threads: 0,
  pressure: undefined,
};

const figures = {
  cpuNanos: 1_500_000_000,
  userNanos: 1_000_000_000,
  systemNanos: 500_000_000,
  periods: 10,
  throttledPeriods: 2,
  throttledNanos: 3_000_000,
  memoryBytes: 1000,
  workingSetBytes: 700,
  rssBytes: 400,
  cacheBytes: 500,
  swapBytes: 50,
  pageFaults: 7,
  majorPageFaults: 1,
  memoryLimitBytes: 2000,
  memoryPeakBytes: 1500,
  memoryFailures: 4,
  oomKills: 1,
  cpuShares: 1024,
  cpuQuotaMicros: 50_000,
  cpuPeriodMicros: 100_000,
  ioReadBytes: 123,
  ioWrittenBytes: 456,
  processes: 2,
  threads: 3,
  pressure: undefined,
};

describe('a control group', () => {
  it('of version 1 is read', () => {
    const reading = readLegacy(
      files({
        'cpuacct.usage': '1500000000\n',
        'cpuacct.stat': 'user 100\nsystem 50\n',
        'cpu.stat': 'nr_periods 10\nnr_throttled 2\nthrottled_time 3000000\n',
        'memory.stat':
          'cache 1\nrss 1\ntotal_cache 500\ntotal_rss 400\ntotal_swap 50\ntotal_pgfault 7\ntotal_pgmajfault 1\ntotal_inactive_file 300\n',
        'memory.usage_in_bytes': '1000\n',
        'memory.limit_in_bytes': '2000\n',
        'pids.current': '3\n',
        'memory.max_usage_in_bytes': '1500\n',
        'memory.failcnt': '4\n',
        'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
        'cpu.shares': '1024\n',
        'cpu.cfs_quota_us': '50000\n',
        'cpu.cfs_period_us': '100000\n',
        'blkio.throttle.io_service_bytes': '8:0 Read 100\n8:0 Write 456\n8:16 Read 23\n8:0 Total 556\nTotal 579\n',
        'cgroup.procs': '10\n11\n',
      }),
    );
    assert.deepEqual(reading, figures);
  });

  it('of version 2 is read', () => {
    const reading = readUnified(
      files({
        'cpu.stat':
          'usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnr_periods 10\nnr_throttled 2\nthrottled_usec 3000\n',
        'memory.stat': 'anon 400\nfile 500\ninactive_file 300\npgfault 7\npgmajfault 1\n',
        'memory.current': '1000\n',
        'memory.swap.current': '50\n',
        'memory.max': '2000\n',
        'pids.current': '3\n',
        'memory.peak': '1500\n',
        'memory.events': 'low 0\nhigh 0\nmax 4\noom 1\noom_kill 1\n',
        'cpu.weight': '39\n',
        'cpu.max': '50000 100000\n',
        'io.stat': '8:0 rbytes=100 wbytes=456 rios=1 wios=1\n8:16 rbytes=23 wbytes=0\n',
        'cgroup.procs': '10\n11\n',
        'cpu.pressure': 'some avg10=1.50 avg60=0.50 avg300=0.10 total=2000\n',
        'memory.pressure':
          'some avg10=0.00 avg60=0.00 avg300=0.00 total=3\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=2\n',
        'io.pressure':
          'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
      }),
    );
    const still = { avg10: 0, avg60: 0, avg300: 0 };
    assert.deepEqual(reading, {
      ...figures,
      cpuShares: 998,
      pressure: {
        cpu: {
          some: { avg10: 1.5, avg60: 0.5, avg300: 0.1, totalMicros: 2000 },
          full: { ...still, totalMicros: 0 },
        },
        memory: { some: { ...still, totalMicros: 3 }, full: { ...still, totalMicros: 2 } },
        io: { some: { ...still, totalMicros: 0 }, full: { ...still, totalMicros: 0 } },
      },
    });
  });

  it('that vanished, or has no limit, reads as nothing', () => {
    assert.deepEqual(readLegacy(files({ 'memory.limit_in_bytes': '9223372036854771712\n' })), {
      ...nothing,
      memoryPeakBytes: 0,
    });
    assert.deepEqual(readUnified(files({ 'memory.max': 'max\n' })), nothing);
  });
});

describe('the place of a process', () => {
  const legacy =
    '9:name=systemd:/\n8:pids:/kubepods/pod1-2/abc\n4:memory:/kubepods/pod1-2/abc\n2:cpuacct,cpu:/kubepods/pod1-2/abc\n0::/\n';

  it('is by controller where version 1 counts, and its pod is around it', () => {
    const place = parseCgroupPlace(legacy);
    assert.deepEqual(place?.version === 1 && [...place.paths], [
      ['name=systemd', '/'],
      ['pids', '/kubepods/pod1-2/abc'],
      ['memory', '/kubepods/pod1-2/abc'],
      ['cpuacct', '/kubepods/pod1-2/abc'],
      ['cpu', '/kubepods/pod1-2/abc'],
    ]);
    const around = place && podPlace(place, '1-2');
    assert.equal(around?.version === 1 && around.paths.get('memory'), '/kubepods/pod1-2');
    assert.equal(place && podPlace(place, '9-9'), undefined);
  });

  it('is one path in version 2, in systemd’s spelling too', () => {
    const place = parseCgroupPlace('0::/kubepods.slice/kubepods-pod1_2.slice/docker-abc.scope\n');
    assert.deepEqual(place, { version: 2, path: '/kubepods.slice/kubepods-pod1_2.slice/docker-abc.scope' });
    assert.deepEqual(place && podPlace(place, '1-2'), { version: 2, path: '/kubepods.slice/kubepods-pod1_2.slice' });
  });

  it('is unknown for a process that has gone', () => assert.equal(parseCgroupPlace(''), undefined));
});

describe('the machine', () => {
  it('is read from /proc', () => {
    const reading = readMachine({
      stat: 'cpu  100 1 50 9999 88 2 3 4 77 0\ncpu0 1 1 1 1\nbtime 1700000000\n',
      meminfo:
        'MemTotal: 1000 kB\nMemFree: 400 kB\nInactive(file): 100 kB\nAnonPages: 300 kB\nSwapTotal: 20 kB\nSwapFree: 5 kB\n',
      vmstat: 'pgfault 12\npgmajfault 3\n',
    });
    assert.deepEqual(reading, {
      cpuNanos: 1_600_000_000,
      startedAtMs: 1_700_000_000_000,
      memoryTotalBytes: 1_024_000,
      memoryBytes: 614_400,
      workingSetBytes: 512_000,
      rssBytes: 307_200,
      pageFaults: 12,
      majorPageFaults: 3,
      swapTotalBytes: 20_480,
      swapFreeBytes: 5120,
    });
  });

  it('names its interfaces, the loopback one left out', () => {
    const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0
  eth0:1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0
`;
    assert.deepEqual(readInterfaces(text), [
      {
        name: 'eth0',
        rxBytes: 1000,
        rxPackets: 10,
        rxErrors: 1,
        rxDropped: 2,
        txBytes: 2000,
        txPackets: 20,
        txErrors: 3,
        txDropped: 4,
      },
    ]);
  });
});

describe('a CPU rate', () => {
  it('is over about ten seconds, however often one looks, and starts anew with a new counter', () => {
    let rate: Rate | undefined;
    const seen: (number | undefined)[] = [];
    for (const [atMs, cpuNanos] of [
      [0, 0],
      [1000, 500_000_000],
      [10_000, 5_000_000_000],
      [20_000, 5_000_000_000],
      [21_000, 5_000_000_000],
      [22_000, 1000],
    ] as const) {
      rate = rateOf(rate, { atMs, cpuNanos });
      seen.push(rate.nanoCores);
    }
    assert.deepEqual(seen, [undefined, 500_000_000, 500_000_000, 0, 0, undefined]);
  });

  it('keeps few looks', () => {
    let rate: Rate | undefined;
    for (let atMs = 0; atMs < 200_000; atMs += 700) rate = rateOf(rate, { atMs, cpuNanos: atMs });
    assert.ok(rate && rate.looks.length <= 4);
  });
});
