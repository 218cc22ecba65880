// One watch: from a revision, or from a list, to lines that the HTTP layer writes. Every event is written as text once for all watchers.
import { CompactedError, FutureRevisionError, type StoreWatch } from '../store/store.ts';
import type { Parts, Request } from './context.ts';
import { createEventDecoder, type DecodedEvent, prefixOf } from './encoding.ts';
import type { ApiObject, JsonObject } from './model.ts';
import { type ListQuery, parseRevision, type Registry, tooLargeRevision } from './registry.ts';
import type { Answer } from './rules/accept.ts';
import { expired, type StatusError, statusOf } from './rules/status-error.ts';
import { type IncludeObject, partial, tableOf } from './rules/table.ts';

export interface WatchQuery extends ListQuery {
  readonly answer: Answer;
  readonly include: IncludeObject;
  readonly bookmarks: boolean;
  readonly sendInitialEvents: boolean;
  readonly timeoutMs: number;
}

/** Takes a line; resolves when there is room for the next. */
export type Sink = (line: Buffer) => Promise<void>;

export interface Watches {
  /** Throws a `StatusError` before the first line; what goes wrong later becomes an ERROR line. Ends with the signal or the time. */
  run(request: Request, query: WatchQuery, open: () => Sink, signal: AbortSignal): Promise<void>;
}

const bookmarkMs = 60_000;
const tooOld = (asked: number, oldest: number): StatusError =>
  expired(`too old resource version: ${asked} (${oldest})`);

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** What a watcher with this selection sees of a change: objects come into view and leave it. */
function seen({ object, before }: DecodedEvent, query: ListQuery): { type: EventType; object: ApiObject } | undefined {
  const is = object && query.selection.matches(object);
  const was = before && query.selection.matches(before);
  if (object && is) return { type: was ? 'MODIFIED' : 'ADDED', object };
  return before && was ? { type: 'DELETED', object: before } : undefined;
}

/** Wakes a watch each minute and at its end, with one timer each however many events pass. */
interface Pulse {
  /** Aborts at the next beat; a new one follows it. */
  signal(): AbortSignal;
  ended(): boolean;
  stop(): void;
}

function startPulse(timeoutMs: number, signal: AbortSignal): Pulse {
  let beat = new AbortController();
  let ended = signal.aborted;
  const end = (): void => {
    ended = true;
    beat.abort();
  };
  const every = setInterval(() => beat.abort(), bookmarkMs);
  const last = setTimeout(end, timeoutMs);
  signal.addEventListener('abort', end);
  return {
    signal: () => {
      if (beat.signal.aborted && !ended) beat = new AbortController();
      return beat.signal;
    },
    ended: () => ended,
    stop: () => {
      clearInterval(every);
      clearTimeout(last);
      signal.removeEventListener('abort', end);
    },
  };
}

export function createWatches(parts: Parts, registry: Registry): Watches {
  const { store, clock } = parts;
  const decode = createEventDecoder();

  function form(request: Request, query: WatchQuery, object: ApiObject, isFirst: boolean): object {
    if (query.answer.form === 'object') return object;
    if (query.answer.form !== 'table') return partial(object, query.answer.version);
    const options = { include: query.include, version: query.answer.version, nowMs: clock.now(), definitions: isFirst };
    return tableOf(request.kind, [object], { resourceVersion: object.metadata.resourceVersion }, options);
  }

  const lineOf = (type: string, object: object): Buffer => Buffer.from(`${JSON.stringify({ type, object })}\n`);

  function bookmark(request: Request, query: WatchQuery, rev: number, annotations?: JsonObject): Buffer {
    const { kind, apiVersion } = request.kind;
    const metadata = { resourceVersion: String(rev), creationTimestamp: null, ...(annotations ? { annotations } : {}) };
    const object = { kind, apiVersion, metadata } as unknown as ApiObject;
    return lineOf('BOOKMARK', query.answer.form === 'object' ? object : form(request, query, object, false));
  }

  function startAt(prefix: string, rev: number): StoreWatch {
    try {
      return store.watch(prefix, rev);
    } catch (error) {
      if (error instanceof CompactedError) throw tooOld(rev, error.compactedRev);
      if (error instanceof FutureRevisionError) throw tooLargeRevision(rev, error.current);
      throw error;
    }
  }

  async function run(request: Request, query: WatchQuery, open: () => Sink, signal: AbortSignal): Promise<void> {
    const prefix = prefixOf(request.kind, request.namespace);
    const asked = parseRevision(query.resourceVersion);
    const fromList = query.sendInitialEvents || asked === 0;
    if (asked > store.rev()) throw tooLargeRevision(asked, store.rev());
    const initial = fromList
      ? await registry.list(request, { selection: query.selection })
      : { objects: [], metadata: { resourceVersion: String(asked) } };
    const watch = startAt(prefix, Number(initial.metadata.resourceVersion));
    const pulse = startPulse(query.timeoutMs, signal);
    const send = open();
    try {
      await sendInitial(request, query, initial.objects, watch.rev, send);
      await follow(request, query, watch, send, pulse, initial.objects.length === 0);
      if (!signal.aborted && query.bookmarks) await send(bookmark(request, query, watch.rev));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof CompactedError)) throw error;
      await send(lineOf('ERROR', statusOf(tooOld(watch.rev, error.compactedRev))));
    } finally {
      pulse.stop();
      watch.close();
    }
  }

  async function sendInitial(
    request: Request,
    query: WatchQuery,
    objects: ApiObject[],
    rev: number,
    send: Sink,
  ): Promise<void> {
    for (const [index, object] of objects.entries()) {
      await send(lineOf('ADDED', form(request, query, object, index === 0)));
    }
    if (query.sendInitialEvents && query.bookmarks) {
      await send(bookmark(request, query, rev, { 'k8s.io/initial-events-end': 'true' }));
    }
  }

  async function follow(
    request: Request,
    query: WatchQuery,
    watch: StoreWatch,
    send: Sink,
    pulse: Pulse,
    fresh: boolean,
  ): Promise<void> {
    let isFirst = fresh;
    let saidRev = watch.rev;
    while (!pulse.ended()) {
      for (const event of watch.read()) {
        const decoded = decode(request.kind, event);
        const visible = seen(decoded, query);
        if (!visible || pulse.ended()) continue;
        await send(sharedLine(request, query, decoded, visible, isFirst));
        isFirst = false;
        saidRev = event.rev;
      }
      const beat = pulse.signal();
      await watch.changed(beat);
      if (!beat.aborted || pulse.ended() || !query.bookmarks) continue;
      if (watch.rev > saidRev) await send(bookmark(request, query, watch.rev));
      saidRev = watch.rev;
    }
  }

  function sharedLine(
    request: Request,
    query: WatchQuery,
    decoded: DecodedEvent,
    visible: { type: EventType; object: ApiObject },
    isFirst: boolean,
  ): Buffer {
    const { form: wanted, version } = query.answer;
    // A table's first event carries the column definitions: that one is the watcher's own.
    if (wanted === 'table' && isFirst) return lineOf(visible.type, form(request, query, visible.object, true));
    const name = `${visible.type} ${wanted} ${version} ${query.include}`;
    const known = decoded.lines.get(name);
    if (known) return known;
    const line = lineOf(visible.type, form(request, query, visible.object, false));
    decoded.lines.set(name, line);
    return line;
  }

  return { run };
}
