// The service proxy's only wiring: configuration → parts → loops → clean exit. Rules stay when it ends: the data path does not need us.
import { availableParallelism, networkInterfaces } from 'node:os';
import { canonicalIp, type Family } from '../host/cidr.ts';
import { systemClock } from '../host/clock.ts';
import { type Backend, backendsInUse, createIptables, detectBackend, type Iptables } from '../host/iptables.ts';
import type { Log } from '../host/log.ts';
import { type ApiClient, createApiClient } from '../kube/client.ts';
import { loadKubeconfig } from '../kube/kubeconfig.ts';
import type { ProxyConfig } from './config/config.ts';
import { applySysctls, readSysctl, wantedSysctls } from './conntrack/sysctls.ts';
import { createEventReporter, type ReportEvent } from './events.ts';
import { type HostFacts, nodeFacts, podCidrs } from './facts.ts';
import { createFamilyLoop, type FamilyLoop } from './family.ts';
import { listen, serveUntil } from './health/http.ts';
import { isHealthy } from './health/rules.ts';
import { createServiceChecks } from './health/service-checks.ts';
import { createAffinitySets, hasSets } from './iptables/affinity-sets.ts';
import { cleanUpRules } from './iptables/cleanup.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import type { ClusterView } from './model.ts';
import { createProxier } from './proxier.ts';
import { healthListener, metricsListener } from './servers.ts';
import { watchCluster } from './watch/cluster.ts';

export interface RunningProxy {
  /** Resolves when every family has written its rules once. */
  readonly synced: Promise<void>;
  stop(): Promise<void>;
}

interface Parts {
  readonly config: ProxyConfig;
  readonly log: Log;
  readonly view: ClusterView;
  readonly metrics: Metrics;
  readonly host: HostFacts;
  readonly report: ReportEvent;
}

const livenessPeriods = 2;

/** Starts the proxy; it keeps trying to reach the API server. Rejects on what no retry mends: kubeconfig, iptables. */
export async function startProxy(config: ProxyConfig, parts: { log: Log; signal: AbortSignal }): Promise<RunningProxy> {
  const client = createApiClient(await loadKubeconfig(config.kubeconfig ?? ''), 'kube-proxy');
  return startProxyWith(client, config, parts);
}

/** The same with a client that stands already; it is closed in the end. */
export async function startProxyWith(
  client: ApiClient,
  config: ProxyConfig,
  { log, signal }: { log: Log; signal: AbortSignal },
): Promise<RunningProxy> {
  const stopping = new AbortController();
  const until = AbortSignal.any([signal, stopping.signal]);
  const backend = config.backend === 'auto' ? await detectBackend(signal) : config.backend;
  const tables = await openTables(backend, log, signal);
  const host = await prepareHost(config, tables, log);
  const view = watchCluster(client, config.nodeName, (err) => log.warn({ err }, 'Cannot watch the API server'));
  const metrics = createMetrics();
  const report = createEventReporter(client, config.nodeName, systemClock.now, (err) =>
    log.debug({ err }, 'Event not taken'),
  );
  const parts: Parts = { config, log, view, metrics, host, report };
  const loops = new Map<Family, FamilyLoop>();
  for (const iptables of tables)
    loops.set(
      iptables.family,
      createLoop(parts, iptables, () => isProxyHealthy(config, loops)),
    );
  log.info({ backend, families: tables.map(({ family }) => family), affinity: host.affinity }, 'Service proxy started');
  const doors = await openDoors(parts, loops, until);
  const work = Promise.all([view.run(until), runLoops(parts, loops, until), ...doors]);
  const finished = work.then(
    () => client.close(),
    async (err: unknown) => {
      log.error({ err }, 'Service proxy ended');
      await client.close();
      throw err;
    },
  );
  // Whoever stops us hears of it; until then it is only logged.
  finished.catch(() => {});
  return {
    synced: Promise.all([...loops.values()].map((loop) => loop.synced)).then(() => undefined),
    async stop() {
      stopping.abort();
      await finished;
    },
  };
}

/** `--cleanup`: removes all rules of ours, whichever backend holds them, and nothing else. */
export async function cleanUp(config: ProxyConfig, { log, signal }: { log: Log; signal: AbortSignal }): Promise<void> {
  const backends = config.backend === 'auto' ? await backendsInUse() : [config.backend];
  for (const backend of backends)
    for (const iptables of await openTables(backend, log, signal)) await cleanUpRules(iptables, signal);
  for (const family of [4, 6] as const)
    await createAffinitySets(family)
      .prune([])
      .catch((err: unknown) => log.debug({ err }, 'No ipset here'));
  log.info({ backends }, 'Rules removed');
}

/** Both families where the host has both. */
async function openTables(backend: Backend, log: Log, signal: AbortSignal): Promise<Iptables[]> {
  const v4 = createIptables(4, backend);
  await v4.rules('nat', 'POSTROUTING', signal);
  const v6 = createIptables(6, backend);
  try {
    await v6.rules('nat', 'POSTROUTING', signal);
    return [v4, v6];
  } catch (err) {
    log.warn({ err }, 'No ip6tables here, serving IPv4 only');
    return [v4];
  }
}

async function prepareHost(config: ProxyConfig, tables: readonly Iptables[], log: Log): Promise<HostFacts> {
  const wanted = wantedSysctls(config.conntrack, availableParallelism());
  if (config.localhostNodePorts) wanted.push({ path: 'net/ipv4/conf/all/route_localnet', value: 1, isAtLeast: false });
  const refused = await applySysctls(wanted);
  if (refused.length > 0) log.warn({ refused }, 'Kernel settings could not be made');
  const probes = await Promise.all(tables.map(hasSets));
  return {
    affinity: probes.every((has) => has) ? 'ipset' : 'recent',
    isLiberal: (await readSysctl('net/netfilter/nf_conntrack_tcp_be_liberal')) === 1,
  };
}

function hostAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).flatMap(({ address }) => canonicalIp(address) ?? []),
  );
}

function createLoop(parts: Parts, iptables: Iptables, isHealthyNow: () => boolean): FamilyLoop {
  const { config, log, view, metrics, host, report } = parts;
  const { family } = iptables;
  const facts = () => nodeFacts(config, family, view.node(), host, hostAddresses);
  const everywhere = [family === 4 ? '0.0.0.0' : '::'];
  const checks = createServiceChecks({
    hosts: () => facts().nodePortAddresses ?? everywhere,
    isProxyHealthy: isHealthyNow,
    onBindFailure: ({ service, port }, err) => {
      log.warn({ service, port, err }, 'Health check port not opened');
      const message = `node ${config.nodeName} failed to start healthcheck "${service}" on port ${port}: ${(err as Error).message}`;
      report(view.service(service), 'FailedToStartServiceHealthcheck', message);
    },
  });
  const proxier = createProxier({
    view,
    iptables,
    facts,
    log,
    onRefused: (service, { rule, error }) => {
      log.error({ service, rule, err: error }, 'Service left out');
      const message = `node ${config.nodeName} cannot serve it: iptables refuses "${rule}": ${error.stderr.trim()}`;
      report(view.service(service), 'FailedToProgramService', message);
    },
  });
  return createFamilyLoop({
    ...config,
    view,
    iptables,
    proxier,
    checks,
    metrics,
    hostAddresses,
    clock: systemClock,
    log,
  });
}

function isProxyHealthy(config: ProxyConfig, loops: ReadonlyMap<Family, FamilyLoop>): boolean {
  const timeoutMs = livenessPeriods * config.syncPeriodMs;
  return [...loops.values()].every((loop) => isHealthy(loop.health(), systemClock.now(), timeoutMs));
}

/** In NodeCIDR mode nothing is written before the Node has its pod range: every pod would look like a stranger. */
async function runLoops(
  { config, view, log }: Parts,
  loops: ReadonlyMap<Family, FamilyLoop>,
  signal: AbortSignal,
): Promise<void> {
  if (config.detectLocal.mode === 'NodeCIDR') {
    await view.synced;
    while (podCidrs(view.node()).length === 0 && !signal.aborted) {
      log.info({ node: config.nodeName }, 'Waiting for the pod range of the node');
      const change = Promise.withResolvers<void>();
      const stop = view.onChange((key) => (key === undefined ? change.resolve() : undefined));
      signal.addEventListener('abort', () => change.resolve(), { once: true });
      await change.promise;
      stop();
    }
  }
  await Promise.all([...loops.values()].map((loop) => loop.run(signal)));
}

async function openDoors(
  parts: Parts,
  loops: ReadonlyMap<Family, FamilyLoop>,
  signal: AbortSignal,
): Promise<Promise<void>[]> {
  const { config, view, metrics, log } = parts;
  const health = () => new Map([...loops].map(([family, loop]) => [family, loop.health()] as const));
  const timeoutMs = livenessPeriods * config.syncPeriodMs;
  const doors = [
    { bind: config.healthz, answer: healthListener({ view, health, metrics, now: systemClock.now, timeoutMs }) },
    { bind: config.metrics, answer: metricsListener(config, metrics) },
  ];
  const open: Promise<void>[] = [];
  for (const { bind, answer } of doors) {
    if (!bind) continue;
    if (config.bindAddressHardFail) await listen(bind, answer).then((server) => server.close());
    open.push(serveUntil(bind, answer, systemClock, signal, (err) => log.warn({ err, ...bind }, 'Cannot listen')));
  }
  return open;
}
