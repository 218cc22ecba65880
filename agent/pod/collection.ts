// Removes records of ended containers that are too many; running pods and their newest records are not touched.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Engine } from '../docker/engine.ts';
import type { ObservedPod } from '../model.ts';
import { type CollectionLimits, deadBeyondLimits } from './rules/collection.ts';

export interface CollectionParts {
  readonly engine: Pick<Engine, 'removeContainer'>;
  readonly observeAll: (signal: AbortSignal) => Promise<readonly ObservedPod[]>;
  readonly limits: CollectionLimits;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
}

/** Answers with the UIDs of all pods that the engine has anything of. */
export async function collectDead(parts: CollectionParts, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const pods = await parts.observeAll(signal);
  const { containers, sandboxes } = deadBeyondLimits(pods, parts.limits, parts.clock.now());
  const because = 'newer ones are kept';
  for (const { pod, container } of containers) {
    await parts.engine.removeContainer(container.id, signal);
    parts.log.info(
      { podUid: pod.uid, container: container.name, containerId: container.id, because },
      'Dead container removed',
    );
  }
  for (const { id } of sandboxes) {
    await parts.engine.removeContainer(id, signal);
    parts.log.info({ sandboxId: id, because }, 'Dead sandbox removed');
  }
  return new Set(pods.map(({ uid }) => uid));
}
