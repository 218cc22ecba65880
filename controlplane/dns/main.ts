// The DNS server's only wiring: configuration → zone from the API → doors → Service → clean exit.
import { type Clock, systemClock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import { type ApiClient, createApiClient } from '../../kube/client.ts';
import { loadKubeconfig } from '../../kube/kubeconfig.ts';
import { createAnswerer } from './answerer.ts';
import type { DnsConfig } from './flags.ts';
import { exchange } from './forward/exchange.ts';
import { createForwarder } from './forward/forwarder.ts';
import { createUpstreams } from './forward/upstreams.ts';
import { openDoors } from './listen.ts';
import { ensurePublished, ensureServiceSoon, withdraw } from './publish.ts';
import { isHeard } from './rules/clients.ts';
import { dnsService, isForeign, type Published } from './rules/publish.ts';
import { rememberSources } from './sources.ts';
import { watchZone, type ZoneWatch } from './watch.ts';
import { createZone } from './zone.ts';

export interface RunningDns {
  /** What pods ask: the address of the Service, ours or that of another DNS server. */
  readonly clusterIp: string;
  /** False: the cluster has a DNS server of its own, and nothing was started. */
  readonly isServing: boolean;
  stop(): Promise<void>;
}

const repairPauseMs = 1000;
const withdrawMs = 3000;

/** Resolves when questions are answered from a complete picture. Rejects where the API or the address cannot be had. */
export async function startDns(config: DnsConfig, parts: { log: Log; signal: AbortSignal }): Promise<RunningDns> {
  const client = createApiClient(await loadKubeconfig(config.kubeconfig), 'nodelet/dns');
  try {
    return await startDnsWith(client, config, { ...parts, clock: systemClock });
  } catch (error) {
    await client.close();
    throw error;
  }
}

interface Parts {
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The same with a client that stands already; it is closed in the end. */
export async function startDnsWith(client: ApiClient, config: DnsConfig, parts: Parts): Promise<RunningDns> {
  const { log, clock, signal } = parts;
  const { address, port, nodeName } = config;
  const wish: Published = { address, port, nodeName, clusterIp: config.clusterIp };
  const service = await ensureServiceSoon(client, wish, clock, signal);
  const clusterIp = service.spec.clusterIP ?? '';
  if (isForeign(service)) {
    log.info({ clusterIp }, 'Cluster has a DNS server of its own');
    return { clusterIp, isServing: false, stop: () => client.close() };
  }
  const stopping = new AbortController();
  const until = AbortSignal.any([signal, stopping.signal]);
  const zone = createZone(config.domain, clock);
  const watch = watchZone(client, zone, (err) => log.warn({ err }, 'Cannot watch the API'));
  const work = [watch.run(until)];
  const upstreams = createUpstreams(config.resolvConf, port === 53 ? [clusterIp, address] : [clusterIp], clock);
  const forwarder = createForwarder({ upstreams, clock, exchange });
  const answerer = createAnswerer({ zone, forwarder });
  try {
    await Promise.race([watch.synced, ended(until)]);
    until.throwIfAborted();
    const doors = await openDoors(address, port, {
      answerer,
      isHeard: rememberSources((source) => source === address || isHeard(source, config.networks)),
      onError: (err) => log.warn({ err }, 'DNS socket failed'),
    });
    await ensurePublished(client, wish, until);
    work.push(keepPublished(client, wish, watch, { log, clock, signal: until }));
    log.info({ address, port, clusterIp }, 'DNS server started');
    return {
      clusterIp,
      isServing: true,
      async stop() {
        stopping.abort();
        await Promise.all(work);
        await withdraw(client, wish, AbortSignal.timeout(withdrawMs)).catch((err: unknown) =>
          log.warn({ err }, 'DNS server still announced'),
        );
        await doors.close();
        await client.close();
      },
    };
  } catch (error) {
    stopping.abort();
    await Promise.all(work);
    throw error;
  }
}

/** Whoever deletes the Service or the slice finds them again a moment later. */
async function keepPublished(client: ApiClient, wish: Published, watch: ZoneWatch, parts: Parts): Promise<void> {
  const { log, clock, signal } = parts;
  let change = Promise.withResolvers<void>();
  watch.onChange((key) => key === `${dnsService.namespace}/${dnsService.name}` && change.resolve());
  const end = ended(signal);
  while (!signal.aborted) {
    await Promise.race([change.promise, end]);
    await clock.sleep(repairPauseMs, signal).catch(() => {});
    if (signal.aborted) return;
    change = Promise.withResolvers<void>();
    await ensurePublished(client, wish, signal).catch((err: unknown) => {
      if (signal.aborted) return;
      log.warn({ err }, 'Cannot announce the DNS server');
      change.resolve();
    });
  }
}

function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
