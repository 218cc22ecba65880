// Follows the other nodes of the cluster and keeps the routes to their pods, where this node may know of them.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { isForbidden } from '../../kube/errors.ts';
import { createInformer } from '../../kube/informer.ts';
import { nodes } from '../../kube/resources.ts';
import type { Node } from '../../kube/types.ts';
import { ensureRoutes } from './routes.ts';
import { neighboursOf } from './rules/routes.ts';

export interface NeighbourParts {
  readonly client: ApiClient;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Changes of many nodes at once are one look. */
const settleMs = 200;
/** Somebody else may have flushed the table. */
const lookAgainMs = 60_000;

/** Keeps routes until `signal` ends; they stay then. An API server that shows a node only itself ends it. Never rejects. */
export async function keepRoutes({ client, nodeName, clock, log }: NeighbourParts, signal: AbortSignal): Promise<void> {
  const refused = new AbortController();
  const ended = AbortSignal.any([signal, refused.signal]);
  let changed = Promise.withResolvers<void>();
  const informer = createInformer(client, nodes, {
    trim: (object) => {
      const { metadata, status } = object as Node;
      delete metadata.managedFields;
      if (status) delete status.images;
    },
    onError: (err) => {
      if (!isForbidden(err)) return log.warn({ err }, 'Other nodes not watched');
      log.info({ because: 'this node may only see itself' }, 'Routes to the pods of other nodes are left to others');
      refused.abort();
    },
  });
  informer.subscribe(() => changed.resolve());
  const watching = informer.run(ended);
  const aborted = new Promise<void>((resolve) => ended.addEventListener('abort', () => resolve(), { once: true }));
  await Promise.race([informer.synced, aborted]);
  while (!ended.aborted) {
    changed = Promise.withResolvers();
    await ensureRoutes(neighboursOf(informer.list(), nodeName), log, ended).catch((err: unknown) => {
      if (!ended.aborted) log.warn({ err }, 'Routes could not be ensured');
    });
    const pause = new AbortController();
    await Promise.race([
      changed.promise,
      clock.sleep(lookAgainMs, AbortSignal.any([ended, pause.signal])).catch(() => {}),
    ]);
    pause.abort();
    await clock.sleep(settleMs, ended).catch(() => {});
  }
  await watching;
}
