// Says things about objects: core/v1 Events, counted when they repeat, dropped when the API is away too long.
import { createHash } from 'node:crypto';
import type { Clock } from '../host/clock.ts';
import type { Log } from '../host/log.ts';
import type { ApiClient } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';
import { events } from '../kube/resources.ts';
import type { KubeEvent } from '../kube/types.ts';
import type { EventAbout } from './model.ts';

export interface Said {
  readonly about: EventAbout;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  readonly action?: string;
  /** Who says it, where it is not the recorder's own component. */
  readonly by?: string | undefined;
}

export interface EventRecorder {
  /** Never throws, never blocks. */
  say(said: Said): void;
  /** Resolves when everything said so far is written or dropped. */
  flush(): Promise<void>;
}

const remembered = 4096;
const longestQueue = 4096;
const lanes = 8;
const longestMessage = 1024;

/** The name carries when it was first said, as upstream's does; the same words about the same object count up. */
export function createEventRecorder(
  client: ApiClient,
  component: string,
  parts: { clock: Clock; log: Log },
): EventRecorder {
  const { clock, log } = parts;
  const known = new Map<string, { name: string; count: number }>();
  let queued = 0;
  let written = 0;
  const tails = Array.from({ length: lanes }, () => Promise.resolve());

  async function write(said: Said): Promise<void> {
    const { about, type, reason } = said;
    const message = said.message.slice(0, longestMessage);
    const namespace = about.metadata.namespace ?? 'default';
    const words = JSON.stringify([
      about.kind,
      namespace,
      about.metadata.name,
      about.metadata.uid,
      type,
      reason,
      message,
    ]);
    const seen = createHash('sha1').update(words).digest('base64');
    const earlier = known.get(seen);
    const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    if (earlier) {
      known.delete(seen);
      const count = earlier.count + 1;
      const patch = { type: 'merge', body: { count, lastTimestamp: now } } as const;
      try {
        await client.patch(events, { namespace, name: earlier.name }, patch);
        known.set(seen, { name: earlier.name, count });
        return;
      } catch (error) {
        // Events live an hour: one that is gone begins again.
        if (!isNotFound(error)) throw error;
      }
    }
    const name = `${about.metadata.name}.${(BigInt(clock.now()) * 1_000_000n + BigInt(written++ % 1_000_000)).toString(16)}`;
    await client.create(events, eventOf(name, namespace, said.by ?? component, now, { ...said, message }));
    known.set(seen, { name, count: 1 });
    const oldest = known.keys().next().value;
    if (known.size > remembered && oldest !== undefined) known.delete(oldest);
  }

  return {
    say: (said) => {
      if (queued >= longestQueue) return log.debug({ reason: said.reason }, 'Event dropped');
      queued++;
      // What is said about one object stays in order; about others it need not wait.
      const lane = [...said.about.metadata.name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % lanes;
      tails[lane] = (tails[lane] ?? Promise.resolve())
        .then(() => write(said))
        .catch((err: unknown) => log.debug({ err, reason: said.reason }, 'Event not written'))
        .finally(() => {
          queued--;
        });
    },
    flush: async () => {
      await Promise.all(tails);
    },
  };
}

function eventOf(name: string, namespace: string, component: string, now: string, said: Said): KubeEvent {
  const { about, type, reason, message, action } = said;
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace } as KubeEvent['metadata'],
    involvedObject: {
      apiVersion: about.apiVersion,
      kind: about.kind,
      name: about.metadata.name,
      ...(about.metadata.namespace ? { namespace: about.metadata.namespace } : {}),
      ...(about.metadata.uid ? { uid: about.metadata.uid } : {}),
    },
    type,
    reason,
    message,
    ...(action ? { action } : {}),
    source: { component },
    reportingComponent: component,
    reportingInstance: component,
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  };
}
