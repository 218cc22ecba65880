// events.k8s.io/v1 over the one store of core events: the same event under other names. Pure.
import type { ApiObject, JsonObject } from '../model.ts';
import { eventStrategy } from './core.ts';
import type { Strategy } from './kind.ts';

/** New name to old name. */
const renamed: Readonly<Record<string, string>> = {
  note: 'message',
  regarding: 'involvedObject',
  reportingController: 'reportingComponent',
  deprecatedSource: 'source',
  deprecatedFirstTimestamp: 'firstTimestamp',
  deprecatedLastTimestamp: 'lastTimestamp',
  deprecatedCount: 'count',
};
const back = Object.fromEntries(Object.entries(renamed).map(([now, then]) => [then, now]));

function rename(object: ApiObject, names: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [names[name] ?? name, value]));
}

const toStored = (event: ApiObject): ApiObject => ({
  ...rename(event, renamed),
  apiVersion: 'v1',
  kind: 'Event',
  metadata: event.metadata,
});
const fromStored = (event: ApiObject): ApiObject => ({
  ...rename(event, back),
  apiVersion: 'events.k8s.io/v1',
  kind: 'Event',
  metadata: event.metadata,
});

/** What reads core's names, reading the new form. */
const asCore =
  <T>(read: (event: ApiObject, nowMs: number) => T) =>
  (event: ApiObject, nowMs = 0): T =>
    read(toStored(event), nowMs);

const inNewWords = (path: string): string => {
  const [head = '', ...rest] = path.split('.');
  return [back[head] ?? head, ...rest].join('.');
};

export const eventsV1Strategy: Strategy = {
  convert: { toStored, fromStored },
  fields: Object.fromEntries(
    Object.entries(eventStrategy.fields ?? {}).map(([path, read]) => [
      inNewWords(path),
      asCore((event) => read(event)),
    ]),
  ),
  columns: (eventStrategy.columns ?? []).map((column) => ({ ...column, cell: asCore(column.cell) })),
};
