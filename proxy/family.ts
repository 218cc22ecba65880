// One address family at work: syncs at the right moments, and what follows a sync: health, checks, stale flows, figures.
import type { Clock } from '../host/clock.ts';
import type { Iptables } from '../host/iptables.ts';
import type { Log } from '../host/log.ts';
import { cleanFlows } from './conntrack/clean.ts';
import { isConnectionless } from './conntrack/rules.ts';
import type { FamilyHealth } from './health/rules.ts';
import type { ServiceChecks, WantedCheck } from './health/service-checks.ts';
import { createFlushWatch } from './iptables/flush.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { ClusterView, Frontend } from './model.ts';
import { createPacer } from './pacer.ts';
import type { Proxier, SyncReport } from './proxier.ts';

export interface FamilyParts {
  readonly view: ClusterView;
  readonly iptables: Iptables;
  readonly proxier: Proxier;
  readonly checks: ServiceChecks;
  readonly metrics: Metrics;
  readonly hostAddresses: () => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly syncPeriodMs: number;
  readonly minSyncPeriodMs: number;
}

export interface FamilyLoop {
  run(signal: AbortSignal): Promise<void>;
  /** Resolves with the first sync that succeeded. */
  readonly synced: Promise<void>;
  health(): FamilyHealth;
}

const triggerTime = 'endpoints.kubernetes.io/last-change-trigger-time';

export function createFamilyLoop(parts: FamilyParts): FamilyLoop {
  const { view, iptables, proxier, checks, metrics, clock, log } = parts;
  const { family } = iptables;
  const startedAtMs = clock.now();
  const firstSync = Promise.withResolvers<void>();
  const reported = new Map<string, number>();
  let health: FamilyHealth = { lastUpdatedMs: undefined, waitingSinceMs: undefined };
  let pending = 0;
  /** Frontends that went away and whose flows were not cleaned yet. */
  let gone: Frontend[] = [];
  let isFirst = true;

  async function sync(signal: AbortSignal): Promise<void> {
    const since = health.waitingSinceMs;
    const beganAt = clock.now();
    pending = 0;
    const report = await proxier.sync(signal);
    const endedAt = clock.now();
    // A change that came in while we wrote still waits.
    const isWaiting = health.waitingSinceMs !== since;
    health = { lastUpdatedMs: endedAt, waitingSinceMs: isWaiting ? health.waitingSinceMs : undefined };
    const compiled = [...proxier.services().values()];
    const without = (policy: 'internal' | 'external'): number =>
      compiled.filter((one) => one.withoutLocalEndpoints.includes(policy)).length;
    metrics.synced(family, {
      ...report,
      seconds: (endedAt - beganAt) / 1000,
      endedAt: endedAt / 1000,
      withoutLocalEndpoints: { internal: without('internal'), external: without('external') },
      latencies: latencies(report.touched, endedAt),
    });
    if (report.isFull) log.info({ family, services: compiled.length, durationMs: endedAt - beganAt }, 'Rules written');
    firstSync.resolve();
    await checks.ensure(wantedChecks());
    await forgetFlows(report, signal);
  }

  /** Seconds from the moment a pod or Service changed, as its slice tells, until now; each change counts once. */
  function latencies(touched: readonly string[], now: number): number[] {
    return touched.flatMap((key) => {
      const times = view.slices(key).map((slice) => Date.parse(slice.metadata.annotations?.[triggerTime] ?? ''));
      const last = Math.max(...times.filter((time) => time > startedAtMs));
      if (!Number.isFinite(last) || (reported.get(key) ?? 0) >= last) return [];
      reported.set(key, last);
      return [(now - last) / 1000];
    });
  }

  function wantedChecks(): WantedCheck[] {
    return [...proxier.services()].flatMap(([service, { healthCheck }]) =>
      healthCheck ? [{ service, ...healthCheck }] : [],
    );
  }

  async function forgetFlows({ before, after }: SyncReport, signal: AbortSignal): Promise<void> {
    const changed = [...before, ...after].filter(isConnectionless);
    if (changed.length === 0 && gone.length === 0 && !isFirst) return;
    gone.push(...before.filter(isConnectionless));
    const frontends = [...proxier.services().values()].flatMap((one) => one.frontends.filter(isConnectionless));
    const beganAt = clock.now();
    try {
      const hostAddresses = new Set(parts.hostAddresses());
      const deleted = await cleanFlows({ family, frontends, gone, hostAddresses }, signal);
      metrics.conntrackCleaned(family, (clock.now() - beganAt) / 1000, deleted);
      gone = [];
      isFirst = false;
    } catch (err) {
      // The rules stand; old flows find their way when they time out, or at the next change.
      log.warn({ family, err }, 'Stale connection tracking entries not deleted');
    }
  }

  const pacer = createPacer({
    sync,
    clock,
    minPauseMs: parts.minSyncPeriodMs,
    onError: (err, retryInMs) => {
      metrics.restoreFailed(family, health.lastUpdatedMs === undefined);
      log.error({ family, err, retryInMs }, 'Rules not written');
    },
  });

  function onChange(key: string | undefined): void {
    proxier.touch(key);
    pending++;
    health = { ...health, waitingSinceMs: health.waitingSinceMs ?? clock.now() };
    metrics.queued(family, key === undefined ? 'service' : 'endpoint', pending, clock.now() / 1000);
    pacer.wake();
  }

  /** What no watch tells: addresses of this host that come and go, ports that become free. */
  async function wakeRegularly(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(parts.syncPeriodMs, signal).catch(() => {});
      if (!signal.aborted) pacer.wake();
    }
  }

  async function watchForFlushes(signal: AbortSignal): Promise<void> {
    const watch = createFlushWatch(iptables, clock.now);
    await firstSync.promise;
    while (!signal.aborted) {
      try {
        const { missing, waitMs } = await watch.look(signal);
        if (missing) {
          log.warn({ family, missing }, 'Rules of the proxy were deleted by somebody, writing them again');
          proxier.forget();
          pacer.wake();
        }
        await clock.sleep(Math.max(waitMs, 1500), signal);
      } catch (err) {
        if (signal.aborted) return;
        log.warn({ family, err }, 'Cannot look at the tables');
        await clock.sleep(5000, signal).catch(() => {});
      }
    }
  }

  return {
    synced: firstSync.promise,
    health: () => health,
    async run(signal) {
      await view.synced;
      if (signal.aborted) return;
      const stop = view.onChange(onChange);
      for (const key of view.keys()) proxier.touch(key);
      signal.addEventListener('abort', () => firstSync.resolve(), { once: true });
      pacer.wake();
      await Promise.all([pacer.run(signal), wakeRegularly(signal), watchForFlushes(signal)]);
      stop();
    },
  };
}
