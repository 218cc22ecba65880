// Says things about pods and the node, as Events in the API: counted, combined, bounded, and never in anybody's way.
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { ApiClient } from '../../kube/client.ts';
import { ApiError, isNamespaceTerminating, isNotFound } from '../../kube/errors.ts';
import { events as eventResource } from '../../kube/resources.ts';
import type { KubeEvent, ObjectReference } from '../../kube/types.ts';
import type { EventSink, PodEvent } from '../model.ts';
import { type Allowance, noteSimilar, type Similar, spend } from './rules/events.ts';
import { timeText } from './rules/time.ts';

export interface StoppableEventSink extends EventSink {
  /** Resolves when everything said so far was sent or given up. */
  flushed(): Promise<void>;
  /** Gives up what was not sent. */
  stop(): void;
}

/** What was sent under one key, to be counted up. */
interface Sent {
  readonly namespace: string;
  readonly name: string;
  readonly firstTimestamp: string;
  count: number;
}

interface Said {
  readonly about: ObjectReference;
  readonly event: PodEvent;
  readonly atMs: number;
}

const queueLength = 1000;
const rememberedKeys = 4096;
const tries = 12;
const retryMs = 10_000;

/** Forgets the key that was used longest ago when there are too many. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= rememberedKeys) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** The server has said no, and would say it again. */
const isRefused = (error: unknown): boolean =>
  error instanceof ApiError && error.code >= 400 && error.code < 500 && error.code !== 429;

export function createEventSink(client: ApiClient, nodeName: string, log: Log, clock: Clock): StoppableEventSink {
  const stopping = new AbortController();
  const queue: Said[] = [];
  const similars = new Map<string, Similar>();
  const allowances = new Map<string, Allowance>();
  const sent = new Map<string, Sent>();
  let dropped = 0;
  let names = 0n;
  let pumping = Promise.resolve();
  let isPumping = false;

  const keyOf = ({ kind, namespace, name, uid, fieldPath }: ObjectReference): string =>
    [kind, namespace, name, uid, fieldPath].join('\0');

  function fresh({ about, atMs }: Said, event: PodEvent): KubeEvent {
    const at = timeText(atMs);
    // As upstream names them: the object and the time in nanoseconds; the counter keeps those of one moment apart.
    const stamp = (BigInt(atMs) * 1_000_000n + (names++ % 1_000_000n)).toString(16);
    const metadata = {
      name: `${about.name}.${stamp}`,
      namespace: about.namespace || 'default',
      ...(event.annotations ? { annotations: { ...event.annotations } } : {}),
    };
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: metadata as KubeEvent['metadata'],
      involvedObject: about,
      reason: event.reason,
      message: event.message,
      type: event.type,
      source: { component: 'kubelet', host: nodeName },
      firstTimestamp: at,
      lastTimestamp: at,
      count: 1,
      reportingComponent: 'kubelet',
      reportingInstance: nodeName,
    };
  }

  async function create(key: string, said: Said, event: PodEvent): Promise<void> {
    const object = fresh(said, event);
    await client.create(eventResource, object, stopping.signal);
    const { name, namespace } = object.metadata;
    remember(sent, key, { name, namespace, firstTimestamp: timeText(said.atMs), count: 1 });
  }

  async function countUp(known: Sent, said: Said, event: PodEvent): Promise<void> {
    const body = { count: known.count + 1, lastTimestamp: timeText(said.atMs), message: event.message };
    await client.patch(eventResource, known, { type: 'strategic', body }, stopping.signal);
    known.count++;
  }

  async function send(key: string, said: Said, event: PodEvent): Promise<void> {
    const known = sent.get(key);
    if (!known) return create(key, said, event);
    try {
      await countUp(known, said, event);
      remember(sent, key, known);
    } catch (error) {
      // Events live for an hour; ours may be gone.
      if (!isNotFound(error)) throw error;
      await create(key, said, event);
    }
  }

  async function sendWithPatience(said: Said): Promise<void> {
    const { about, event } = said;
    const similarKey = [keyOf(about), event.type, event.reason].join('\0');
    const { similar, isCombined } = noteSimilar(similars.get(similarKey), event.message, said.atMs);
    remember(similars, similarKey, similar);
    const shown = isCombined ? { ...event, message: `(combined from similar events): ${event.message}` } : event;
    const key = isCombined ? similarKey : [similarKey, event.message].join('\0');
    for (let tried = 1; ; tried++) {
      try {
        return await send(key, said, shown);
      } catch (err) {
        if (stopping.signal.aborted) return;
        // Its pod, and the event with it, will be gone in a moment.
        if (isNamespaceTerminating(err)) return;
        if (isRefused(err) || tried >= tries) return log.warn({ err, reason: event.reason }, 'Event not sent');
        await clock.sleep(retryMs, stopping.signal).catch(() => {});
      }
    }
  }

  async function pump(): Promise<void> {
    for (let said = queue.shift(); said && !stopping.signal.aborted; said = queue.shift()) await sendWithPatience(said);
    isPumping = false;
  }

  function say(about: ObjectReference, event: PodEvent): void {
    const atMs = clock.now();
    const source = keyOf({ ...about, fieldPath: '' });
    const { allowance, isAllowed } = spend(allowances.get(source), atMs);
    remember(allowances, source, allowance);
    if (!isAllowed || stopping.signal.aborted) return;
    if (queue.length >= queueLength) {
      dropped++;
      if (dropped % queueLength === 1) log.warn({ dropped }, 'Events dropped');
      return;
    }
    queue.push({ about, event, atMs });
    if (isPumping) return;
    isPumping = true;
    pumping = pump();
  }

  return {
    pod: ({ metadata }, event) => {
      const { namespace, name, uid, resourceVersion } = metadata;
      say(
        {
          apiVersion: 'v1',
          kind: 'Pod',
          namespace,
          name,
          uid,
          ...(resourceVersion ? { resourceVersion } : {}),
          ...(event.container ? { fieldPath: event.container } : {}),
        },
        event,
      );
    },
    // A node's events carry its name for a UID, and live in the default namespace.
    node: (event) => say({ kind: 'Node', name: nodeName, uid: nodeName }, event),
    flushed: () => pumping,
    stop: () => stopping.abort(),
  };
}
