// Starts the scheduler and the controllers against an API server, each under its own identity. It may be a real kube-apiserver.
import { type Clock, systemClock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import { type ApiEndpoint, createApiClient } from '../kube/client.ts';
import { createCache, type Held } from './cache.ts';
import { type ControllerSettings, controllersHold, runControllers } from './controllers/all.ts';
import { type BootstrapSettings, bootstrapHolds, runBootstrap } from './controllers/bootstrap.ts';
import { runGarbageCollection } from './controllers/garbage.ts';
import type { ShellParts } from './controllers/shell.ts';
import { createEventRecorder } from './events.ts';
import { runScheduler, schedulerHolds } from './scheduler/scheduler.ts';

export interface Loop {
  /** Resolves when the loop works on a complete picture. */
  readonly ready: Promise<void>;
  /** Finishes what is under way. */
  stop(): Promise<void>;
}

export function startControllers(endpoint: ApiEndpoint, settings: ControllerSettings, log: Log): Loop {
  const run = async (parts: ShellParts, signal: AbortSignal): Promise<void> => {
    const metadata = createApiClient(endpoint, 'nodelet/garbage-collection', { metadataOnly: true });
    await Promise.all([runControllers(settings, parts, signal), runGarbageCollection(parts, metadata, signal)]);
    await metadata.close();
  };
  return startLoop('kube-controller-manager', endpoint, controllersHold, run, log);
}

/** What machines need to join. Not for a cluster that has a control plane of its own: two would sign with two authorities. */
export function startBootstrap(endpoint: ApiEndpoint, settings: BootstrapSettings, log: Log): Loop {
  const run = (parts: ShellParts, signal: AbortSignal): Promise<void> => runBootstrap(settings, parts, signal);
  return startLoop('kube-controller-manager', endpoint, bootstrapHolds, run, log);
}

export function startScheduler(endpoint: ApiEndpoint, log: Log): Loop {
  const held = schedulerHolds.map((of) => ({ of }));
  return startLoop('default-scheduler', endpoint, held, runScheduler, log);
}

function startLoop(
  component: string,
  endpoint: ApiEndpoint,
  held: readonly Held[],
  run: (parts: ShellParts, signal: AbortSignal) => Promise<void>,
  parentLog: Log,
): Loop {
  const clock: Clock = systemClock;
  const log = parentLog.child({ component });
  const client = createApiClient(endpoint, `nodelet/${component}`);
  const stop = new AbortController();
  const cache = createCache(client, held, (err) => log.warn({ err }, 'Cannot watch the API'));
  const events = createEventRecorder(client, component, { clock, log });
  const work = run({ client, cache, events, clock, log }, stop.signal);
  // An impossible branch ends the process: systemd starts it again.
  work.catch((err: unknown) => {
    log.fatal({ err }, 'Control loop failed');
    throw err;
  });
  const copying = cache.run(stop.signal);
  return {
    ready: cache.synced,
    stop: async () => {
      stop.abort();
      await Promise.all([work, copying]);
      await events.flush();
      await client.close();
    },
  };
}
