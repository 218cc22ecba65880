// The service proxy's figures, each run in a network namespace of its own: `node bench/proxy.ts [services…]`, as root.
import { performance } from 'node:perf_hooks';
import { run } from '../host/commands.ts';
import { type Backend, createIptables } from '../host/iptables.ts';
import { silentLog } from '../host/log.ts';
import type { EndpointSlice, Service } from '../kube/types.ts';
import type { ClusterView, NodeFacts } from '../proxy/model.ts';
import { createProxier } from '../proxy/proxier.ts';

interface Figures {
  readonly coldStartMs: number;
  readonly changeP50Ms: number;
  readonly changeP99Ms: number;
  readonly addP50Ms: number;
  readonly restartMs: number;
  readonly rssMiB: number;
  readonly cpuPercentAtOneChangePerSecond: number;
}

const facts: NodeFacts = {
  family: 4,
  nodeName: 'node-1',
  zone: undefined,
  nodeIp: '192.168.77.2',
  masqueradeBit: 14,
  masqueradeAll: false,
  detector: { ifLocal: '-s 10.244.0.0/16', ifNotLocal: '! -s 10.244.0.0/16' },
  nodePortAddresses: undefined,
  localhostNodePorts: true,
  dropInvalid: true,
  affinity: 'recent',
};

const ipOf = (base: number, at: number): string => {
  const bits = base + at;
  return [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255].join('.');
};

function serviceAt(at: number): Service {
  const ip = ipOf(0x0a600001, at);
  const metadata = { namespace: 'bench', name: `web-${at}`, uid: String(at) };
  const spec = {
    type: 'ClusterIP' as const,
    clusterIP: ip,
    clusterIPs: [ip],
    ipFamilies: ['IPv4' as const],
    ports: [{ port: 80 }],
  };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec };
}

function sliceAt(at: number, endpoints: number, round = 0): EndpointSlice {
  const labels = { 'kubernetes.io/service-name': `web-${at}` };
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'bench', name: `web-${at}-1`, uid: String(at), labels },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080 + round, protocol: 'TCP' }],
    endpoints: Array.from({ length: endpoints }, (_, one) => ({
      addresses: [ipOf(0x0b000000, at * endpoints + one)],
      conditions: { ready: true },
      nodeName: `node-${(one % 50) + 2}`,
    })),
  };
}

function quantile(samples: readonly number[], part: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
}

/** CPU of this process and of the programs that it ran, in milliseconds. */
async function cpuMs(): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  const fields = (await readFile('/proc/self/stat', 'utf8'))
    .replace(/^.*\) /, '')
    .split(' ')
    .map(Number);
  return ((fields[11] ?? 0) + (fields[12] ?? 0) + (fields[13] ?? 0) + (fields[14] ?? 0)) * 10;
}

/** Runs inside the namespace. */
async function measure(backend: Backend, count: number, endpoints: number): Promise<Figures> {
  const services = new Map(Array.from({ length: count }, (_, at) => [`bench/web-${at}`, serviceAt(at)]));
  const slices = new Map(Array.from({ length: count }, (_, at) => [`bench/web-${at}`, [sliceAt(at, endpoints)]]));
  const view: ClusterView = {
    synced: Promise.resolve(),
    keys: () => services.keys(),
    service: (key) => services.get(key),
    slices: (key) => slices.get(key) ?? [],
    node: () => undefined,
    onChange: () => () => {},
  };
  const iptables = createIptables(4, backend);
  const signal = AbortSignal.timeout(900_000);
  const create = () =>
    createProxier({
      view,
      iptables,
      facts: () => facts,
      log: silentLog,
      onRefused: (key) => console.error('refused', key),
    });
  let proxier = create();
  const timed = async (): Promise<number> => {
    const startedAt = performance.now();
    await proxier.sync(signal);
    return performance.now() - startedAt;
  };
  const coldStartMs = await timed();
  const change = (at: number, round: number): Promise<number> => {
    slices.set(`bench/web-${at}`, [sliceAt(at, endpoints, round)]);
    proxier.touch(`bench/web-${at}`);
    return timed();
  };
  const cpuBefore = await cpuMs();
  const changes: number[] = [];
  for (let at = 0; at < 100; at++) changes.push(await change((at * 7919) % count, 1));
  const cpuPerChange = ((await cpuMs()) - cpuBefore) / 100;
  const adds: number[] = [];
  for (let at = count; at < count + 20; at++) {
    services.set(`bench/web-${at}`, serviceAt(at));
    adds.push(await change(at, 0));
  }
  globalThis.gc?.();
  const rssMiB = process.memoryUsage().rss / 2 ** 20;
  proxier = create();
  const restartMs = await timed();
  return {
    coldStartMs,
    changeP50Ms: quantile(changes, 0.5),
    changeP99Ms: quantile(changes, 0.99),
    addP50Ms: quantile(adds, 0.5),
    restartMs,
    rssMiB,
    cpuPercentAtOneChangePerSecond: cpuPerChange / 10,
  };
}

async function inNamespace(backend: Backend, count: number, endpoints: number): Promise<Figures> {
  const args = [
    '--net',
    process.execPath,
    '--expose-gc',
    import.meta.filename,
    '--measure',
    backend,
    `${count}`,
    `${endpoints}`,
  ];
  const { stdout } = await run('unshare', args, { timeoutMs: 900_000 });
  return JSON.parse(stdout) as Figures;
}

async function main(args: readonly string[]): Promise<void> {
  if (args[0] === '--measure') {
    const figures = await measure(args[1] as Backend, Number(args[2]), Number(args[3]));
    return void process.stdout.write(JSON.stringify(figures));
  }
  const sizes = args.length > 0 ? args.map(Number) : [1000, 10_000, 30_000];
  console.log('backend  services  endpoints  cold s  restart s  change p50/p99 ms  add p50 ms  RSS MiB  CPU % at 1/s');
  for (const backend of ['nft', 'legacy'] as const)
    for (const [count, endpoints] of [...sizes.map((size) => [size, 2] as const), [10_000, 10] as const]) {
      const f = await inNamespace(backend, count, endpoints);
      const cells = [
        backend.padEnd(7),
        String(count).padStart(9),
        String(endpoints).padStart(10),
        (f.coldStartMs / 1000).toFixed(2).padStart(7),
        (f.restartMs / 1000).toFixed(2).padStart(10),
        `${f.changeP50Ms.toFixed(0)}/${f.changeP99Ms.toFixed(0)}`.padStart(18),
        f.addP50Ms.toFixed(0).padStart(11),
        f.rssMiB.toFixed(0).padStart(8),
        f.cpuPercentAtOneChangePerSecond.toFixed(1).padStart(13),
      ];
      console.log(cells.join(' '));
    }
}

await main(process.argv.slice(2));
