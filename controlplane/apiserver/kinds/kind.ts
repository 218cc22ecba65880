// What a kind may add to the generic registry: all of it optional, most of it data.
import type { ApiObject, Cause } from '../model.ts';
import type { ResourceRow } from '../rules/schema.ts';

export interface Column {
  readonly name: string;
  readonly type?: 'string' | 'integer' | 'boolean' | 'date';
  readonly format?: string;
  /** 0 is always shown, 1 with -o wide. */
  readonly priority?: number;
  readonly description?: string;
  cell(object: ApiObject, nowMs: number): unknown;
}

/** How a kind differs from plain create, read, update, delete. Functions are pure but for the object they are told to alter. */
export interface Strategy {
  /** Fills in what the API documents as default. */
  defaults?(object: ApiObject): void;
  /** `old` is there on update; `subresource` is empty for the main resource. */
  validate?(object: ApiObject, old: ApiObject | undefined, subresource: string): Cause[];
  /** Before the first write: what clients may not choose. */
  prepareCreate?(object: ApiObject): void;
  /** Before an update of the main resource. */
  prepareUpdate?(object: ApiObject, old: ApiObject): void;
  /** Which fields a subresource may write; the rest stays as it was. */
  readonly subresources?: Readonly<Record<string, (object: ApiObject, old: ApiObject) => ApiObject>>;
  /** Field selectors besides metadata.name and metadata.namespace. */
  readonly fields?: Readonly<Record<string, (object: ApiObject) => string>>;
  readonly columns?: readonly Column[];
  /** How the scale subresource names the pods that it counts: a selector's text, "<none>" without one. */
  readonly scale?: { selector(object: ApiObject): string };
  /** Deleting without a word about dependents leaves them behind. */
  readonly orphansDependents?: boolean;
  /** How names are checked; a DNS subdomain where absent. */
  readonly names?: 'label' | 'label1035' | 'path';
  /** The status that comes with a new object is taken: nodes report theirs when they register. */
  readonly bornWithStatus?: boolean;
  /** metadata.generation counts changes of the spec. */
  readonly generation?: boolean;
  /** How long a deleted object lingers when nobody said how long. */
  graceSeconds?(object: ApiObject, asked: number | undefined): number;
  /** Objects are forgotten after this time. */
  readonly ttlSeconds?: number;
  /** Another form of objects that are stored as a different version. */
  readonly convert?: { toStored(object: ApiObject): ApiObject; fromStored(object: ApiObject): ApiObject };
}

/** One served resource. */
export interface Kind extends ResourceRow {
  readonly apiVersion: string;
  /** The name of its type in the schema. */
  readonly type: string;
  /** Keys of its objects start with this. */
  readonly prefix: string;
  readonly strategy: Strategy;
}
