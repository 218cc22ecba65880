// Objects as the rows that kubectl prints. Pure: the age of things is counted from an argument.
import type { Column, Kind } from '../kinds/kind.ts';
import { type ApiObject, type JsonObject, text } from '../model.ts';

/** "5m12s", "3d4h", "2y30d": two units at most, as kubectl shows ages. */
export function shortDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  const years = Math.floor(days / 365);
  const two = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
    small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit}${small}${smallUnit}`;
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (hours < 192) return two(days, 'd', hours % 24, 'h');
  if (days < 730) return `${days}d`;
  if (years < 8) return two(years, 'y', days % 365, 'd');
  return `${years}y`;
}

export function age(timestamp: unknown, nowMs: number): string {
  return typeof timestamp === 'string' && timestamp !== '' ? shortDuration(nowMs - Date.parse(timestamp)) : '<unknown>';
}

const nameColumn: Column = {
  name: 'Name',
  format: 'name',
  description: 'Name must be unique within a namespace.',
  cell: ({ metadata }) => metadata.name,
};

export const ageColumn: Column = { name: 'Age', cell: ({ metadata }, nowMs) => age(metadata.creationTimestamp, nowMs) };

const plainColumns: readonly Column[] = [
  { name: 'Created At', type: 'date', cell: ({ metadata }) => metadata.creationTimestamp },
];

/** The name stands first, unless the kind gives it another place. */
export function columnsOf({ strategy }: Kind): readonly Column[] {
  const columns = strategy.columns ?? plainColumns;
  return columns.some(({ format }) => format === 'name') ? columns : [nameColumn, ...columns];
}

function definition({ name, type = 'string', format = '', priority = 0, description = '' }: Column): JsonObject {
  return { name, type, format, description: description || name, priority };
}

export type IncludeObject = 'None' | 'Metadata' | 'Object';

function included(object: ApiObject, include: IncludeObject, version: string): object {
  if (include === 'None') return {};
  if (include === 'Object') return { object };
  return { object: partial(object, version) };
}

/** Metadata alone, for clients that want no more. */
export function partial(object: ApiObject, version: string): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata };
}

export interface TableOptions {
  readonly include: IncludeObject;
  readonly version: string;
  readonly nowMs: number;
  /** Watches send the definitions only once. */
  readonly definitions: boolean;
}

export function tableOf(
  kind: Kind,
  objects: readonly ApiObject[],
  metadata: object,
  options: TableOptions,
): JsonObject {
  const columns = columnsOf(kind);
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata,
    columnDefinitions: options.definitions ? columns.map(definition) : [],
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, options.nowMs) ?? text(undefined)),
      ...included(object, options.include, options.version),
    })),
  };
}
