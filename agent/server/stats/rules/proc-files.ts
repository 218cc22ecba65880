// What /proc says of the whole machine, and of one network namespace.
import { parseKeyed } from './cgroup-files.ts';

export interface MachineReading {
  readonly cpuNanos: number;
  readonly startedAtMs: number;
  readonly memoryTotalBytes: number;
  readonly memoryBytes: number;
  readonly workingSetBytes: number;
  readonly rssBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
  readonly swapTotalBytes: number;
  readonly swapFreeBytes: number;
}

export interface InterfaceReading {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

const tickNanos = 10_000_000;

/** From the texts of /proc/stat, /proc/meminfo and /proc/vmstat. */
export function readMachine(files: { stat: string; meminfo: string; vmstat: string }): MachineReading {
  const [, line = ''] = /^cpu +(.*)$/m.exec(files.stat) ?? [];
  // user nice system idle iowait irq softirq steal: all but waiting; guests are within user already.
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(' ').map(Number);
  const memory = parseKeyed(files.meminfo);
  const vmstat = parseKeyed(files.vmstat);
  const kib = (name: string): number => (memory.get(name) ?? 0) * 1024;
  const memoryBytes = kib('MemTotal') - kib('MemFree');
  return {
    cpuNanos: (user + nice + system + irq + softirq + steal) * tickNanos,
    startedAtMs: (parseKeyed(files.stat).get('btime') ?? 0) * 1000,
    memoryTotalBytes: kib('MemTotal'),
    memoryBytes,
    workingSetBytes: Math.max(0, memoryBytes - kib('Inactive(file)')),
    rssBytes: kib('AnonPages'),
    pageFaults: vmstat.get('pgfault') ?? 0,
    majorPageFaults: vmstat.get('pgmajfault') ?? 0,
    swapTotalBytes: kib('SwapTotal'),
    swapFreeBytes: kib('SwapFree'),
  };
}

/** From the text of /proc/<pid>/net/dev, the loopback interface left out. */
export function readInterfaces(netDev: string): readonly InterfaceReading[] {
  const interfaces: InterfaceReading[] = [];
  for (const line of netDev.split('\n')) {
    const [, name, rest = ''] = /^\s*([^:\s|]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || name === 'lo') continue;
    const figures = rest.split(/\s+/).map(Number);
    const figure = (i: number): number => figures[i] ?? 0;
    interfaces.push({
      name,
      rxBytes: figure(0),
      rxPackets: figure(1),
      rxErrors: figure(2),
      rxDropped: figure(3),
      txBytes: figure(8),
      txPackets: figure(9),
      txErrors: figure(10),
      txDropped: figure(11),
    });
  }
  return interfaces;
}

/** /proc/loadavg's fourth field is "running/all". */
export const taskCount = (loadavg: string): number => Number(/\d+\/(\d+)/.exec(loadavg)?.[1] ?? 0);
