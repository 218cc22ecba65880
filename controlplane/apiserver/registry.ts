// The one registry of every kind: create, read, update, delete on plain JSON with compare-and-swap. Kinds add strategies, never code paths.
import { randomInt, randomUUID } from 'node:crypto';
import { CompactedError, type Entry, FutureRevisionError, type Listing } from '../store/store.ts';
import type { Admission } from './admission/admission.ts';
import type { Parts, Request } from './context.ts';
import { decodeEntry, encodeObject, keyOf, prefixOf } from './encoding.ts';
import type { Kind } from './kinds/kind.ts';
import type { ApiObject, JsonObject } from './model.ts';
import { formatContinue, parseContinue } from './rules/continue.ts';
import { type DeleteOptions, deletionStep } from './rules/deletion.ts';
import { metadataCauses, metadataUpdateCauses } from './rules/names.ts';
import { sameJson } from './rules/patch/merge.ts';
import type { Selection } from './rules/selector.ts';
import {
  alreadyExists,
  badRequest,
  conflict,
  expired,
  invalid,
  notFound,
  StatusError,
  staleConflict,
} from './rules/status-error.ts';
import { mergeUpdate, prepareNew } from './rules/writing.ts';

export interface ListQuery {
  readonly selection: Selection;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
}

export interface ListResult {
  readonly objects: ApiObject[];
  readonly metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
}

/** A removed object, or one that will go later. */
export interface Removal {
  readonly object: ApiObject;
  readonly gone: boolean;
}

export interface Registry {
  get(request: Request): Promise<ApiObject>;
  list(request: Request, query: ListQuery): Promise<ListResult>;
  create(request: Request, object: ApiObject): Promise<ApiObject>;
  /** `change` may run several times, when others write at the same moment. It must not alter its argument. */
  update(request: Request, change: (current: ApiObject) => ApiObject | Promise<ApiObject>): Promise<ApiObject>;
  remove(request: Request, options: DeleteOptions): Promise<Removal>;
  removeAll(request: Request, query: ListQuery, options: DeleteOptions): Promise<ApiObject[]>;
}

const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';
const maxAttempts = 16;

function generatedName(base: string): string {
  const suffix = Array.from({ length: 5 }, () => suffixAlphabet[randomInt(suffixAlphabet.length)]).join('');
  return `${base.slice(0, 63 - suffix.length)}${suffix}`;
}

const isoNow = (nowMs: number): string => `${new Date(nowMs).toISOString().slice(0, 19)}Z`;

export function tooLargeRevision(asked: number, current: number): StatusError {
  return new StatusError(504, 'Timeout', `Too large resource version: ${asked}, current: ${current}`, {
    retryAfterSeconds: 1,
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
  });
}

/** A resourceVersion as clients send it; empty is 0. Throws a 400 `StatusError`. */
export function parseRevision(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  const rev = Number(text);
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(`resourceVersion: Invalid value: "${text}": strconv.ParseUint: invalid syntax`);
  return rev;
}

export function createRegistry(parts: Parts, admission: Admission): Registry {
  const { store, clock } = parts;

  async function entryOf(request: Request): Promise<Entry> {
    const entry = await store.get(keyOf(request.kind, request.namespace, request.name));
    if (!entry) throw notFound(request.kind, request.name);
    return entry;
  }

  async function create(request: Request, sent: ApiObject): Promise<ApiObject> {
    const { kind } = request;
    for (let attempt = 1; ; attempt++) {
      const object = prepareNew(kind, structuredClone(sent), request.namespace, {
        uid: randomUUID(),
        now: isoNow(clock.now()),
      });
      const generated = !object.metadata.name && object.metadata.generateName;
      if (generated) object.metadata.name = generatedName(generated);
      const done = await admitAndCreate({ ...request, name: object.metadata.name ?? '' }, object);
      if (done) return done;
      if (!generated || attempt >= 8) throw alreadyExists(kind, object.metadata.name);
    }
  }

  /** Undefined where the name is taken. */
  async function admitAndCreate(request: Request, object: ApiObject): Promise<ApiObject | undefined> {
    const { kind } = request;
    kind.strategy.defaults?.(object);
    await admission.mutate({ ...request, operation: 'CREATE', object, old: undefined });
    kind.strategy.defaults?.(object);
    const shape = kind.strategy.names ?? 'subdomain';
    const causes = [
      ...metadataCauses(object.metadata, shape, kind.namespaced),
      ...(kind.strategy.validate?.(object, undefined, '') ?? []),
    ];
    if (causes.length > 0) throw invalid(kind, object.metadata.name ?? '', causes);
    await admission.validate({ ...request, operation: 'CREATE', object, old: undefined });
    const key = keyOf(kind, request.namespace, object.metadata.name);
    if (await store.get(key)) return undefined;
    const reservation = await admission.reserve(request, object, undefined);
    try {
      if (request.dryRun) {
        reservation.undo();
        return object;
      }
      const outcome = await store.write(key, 0, encodeObject(kind, object));
      if (!outcome.ok) {
        reservation.undo();
        return undefined;
      }
      reservation.keep();
      object.metadata.resourceVersion = String(outcome.rev);
      return object;
    } catch (error) {
      reservation.undo();
      throw error;
    }
  }

  async function update(
    request: Request,
    change: (current: ApiObject) => ApiObject | Promise<ApiObject>,
  ): Promise<ApiObject> {
    for (let attempt = 1; ; attempt++) {
      const entry = await entryOf(request);
      const old = decodeEntry(request.kind, entry);
      const sent = await change(structuredClone(old));
      requireSameRevision(request, sent, old);
      const done = await admitAndUpdate(request, entry, old, sent);
      if (done) return done;
      if (attempt >= maxAttempts) throw staleConflict(request.kind, request.name);
    }
  }

  function requireSameRevision({ kind, name }: Request, sent: ApiObject, old: ApiObject): void {
    const { resourceVersion, uid } = sent.metadata;
    if (resourceVersion && resourceVersion !== old.metadata.resourceVersion) throw staleConflict(kind, name);
    if (uid && uid !== old.metadata.uid) {
      const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`;
      throw conflict(kind, name, why);
    }
  }

  /** Undefined where somebody else wrote in between. */
  async function admitAndUpdate(
    request: Request,
    entry: Entry,
    old: ApiObject,
    sent: ApiObject,
  ): Promise<ApiObject | undefined> {
    const { kind } = request;
    const object = mergeUpdate(kind, sent, old, request.subresource);
    kind.strategy.defaults?.(object);
    await admission.mutate({ ...request, operation: 'UPDATE', object, old });
    if (kind.strategy.generation && !sameJson(object['spec'], old['spec'])) {
      object.metadata.generation = (old.metadata.generation ?? 0) + 1;
    }
    const causes = [
      ...metadataUpdateCauses(object, old),
      ...(kind.strategy.validate?.(object, old, request.subresource) ?? []),
    ];
    if (causes.length > 0) throw invalid(kind, object.metadata.name, causes);
    await admission.validate({ ...request, operation: 'UPDATE', object, old });
    if (sameJson(withoutRevision(object), withoutRevision(old))) return old;
    const reservation = await admission.reserve(request, object, old);
    try {
      const written = await writeUpdate(request, entry, object);
      if (written && !request.dryRun) reservation.keep();
      else reservation.undo();
      return written;
    } catch (error) {
      reservation.undo();
      throw error;
    }
  }

  async function writeUpdate(request: Request, entry: Entry, object: ApiObject): Promise<ApiObject | undefined> {
    if (request.dryRun) return { ...object, metadata: { ...object.metadata, resourceVersion: String(entry.modRev) } };
    const done = isFinished(object);
    const outcome = await store.write(entry.key, entry.modRev, done ? null : encodeObject(request.kind, object));
    if (!outcome.ok) return undefined;
    if (done) admission.removed(request.kind, object);
    object.metadata.resourceVersion = String(outcome.rev);
    return object;
  }

  async function remove(request: Request, options: DeleteOptions): Promise<Removal> {
    for (let attempt = 1; attempt <= maxAttempts; attempt++) {
      const entry = await entryOf(request);
      const object = decodeEntry(request.kind, entry);
      requirePreconditions(request, object, options);
      await admission.validate({ ...request, operation: 'DELETE', object, old: object });
      const step = deletionStep(request.kind, object, options, clock.now());
      if (step.do === 'Nothing' || request.dryRun) return { object: step.object, gone: step.do === 'Remove' };
      const outcome = await store.write(
        entry.key,
        entry.modRev,
        step.do === 'Remove' ? null : encodeObject(request.kind, step.object),
      );
      if (!outcome.ok) continue;
      if (step.do === 'Remove') admission.removed(request.kind, step.object);
      step.object.metadata.resourceVersion = String(outcome.rev);
      return { object: step.object, gone: step.do === 'Remove' };
    }
    throw staleConflict(request.kind, request.name);
  }

  function requirePreconditions(
    { kind, name }: Request,
    { metadata }: ApiObject,
    { preconditions = {} }: DeleteOptions,
  ): void {
    const { uid, resourceVersion } = preconditions;
    if (uid !== undefined && uid !== metadata.uid) {
      throw conflict(
        kind,
        name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`,
      );
    }
    if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
      const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`;
      throw conflict(kind, name, why);
    }
  }

  async function removeAll(request: Request, query: ListQuery, options: DeleteOptions): Promise<ApiObject[]> {
    const { objects } = await list(request, query);
    for (const { metadata } of objects) {
      const { name, namespace = '' } = metadata;
      try {
        await remove({ ...request, name, namespace }, options);
      } catch (error) {
        // Somebody else removed it first: that is what was wanted.
        if (!(error instanceof StatusError) || error.code !== 404) throw error;
      }
    }
    return objects;
  }

  async function page(
    prefix: string,
    rev: number | undefined,
    limit: number | undefined,
    after: string | undefined,
  ): Promise<Listing> {
    try {
      return await store.list(prefix, {
        ...(rev === undefined ? {} : { rev }),
        ...(limit === undefined ? {} : { limit }),
        ...(after === undefined ? {} : { after }),
      });
    } catch (error) {
      if (error instanceof FutureRevisionError) throw tooLargeRevision(rev ?? 0, error.current);
      if (!(error instanceof CompactedError)) throw error;
      if (after === undefined) throw expired(`The resourceVersion for the provided list is too old.`);
      const message =
        'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';
      throw expired(message, formatContinue(-1, after.slice(prefix.length)));
    }
  }

  /** The revision that a list must read at: undefined is now. */
  function listRevision(query: ListQuery, continued: { rev: number } | undefined): number | undefined {
    if (continued) return continued.rev < 0 ? undefined : continued.rev;
    const asked = parseRevision(query.resourceVersion);
    if (asked > store.rev()) throw tooLargeRevision(asked, store.rev());
    return asked > 0 && query.resourceVersionMatch === 'Exact' ? asked : undefined;
  }

  async function list({ kind, namespace }: Request, query: ListQuery): Promise<ListResult> {
    const prefix = prefixOf(kind, namespace);
    const continued = query.continue ? parseContinue(query.continue) : undefined;
    let rev = listRevision(query, continued);
    let after = continued ? `${prefix}${continued.start}` : undefined;
    const limit = query.limit && query.limit > 0 ? query.limit : undefined;
    const objects: ApiObject[] = [];
    for (;;) {
      // With a selector a page of the store may hold few that match: read on until the page of the client is full.
      const found = await page(prefix, rev, limit, after);
      rev = found.rev;
      let used = 0;
      for (const entry of found.entries) {
        used++;
        after = entry.key;
        const object = decodeEntry(kind, entry);
        if (query.selection.matches(object)) objects.push(object);
        if (limit !== undefined && objects.length >= limit) break;
      }
      const rest = found.remaining + found.entries.length - used;
      if (rest === 0 || after === undefined) return { objects, metadata: { resourceVersion: String(rev) } };
      if (limit === undefined || objects.length >= limit) {
        const token = formatContinue(rev, after.slice(prefix.length));
        const count = query.selection.all ? { remainingItemCount: rest } : {};
        return { objects, metadata: { resourceVersion: String(rev), continue: token, ...count } };
      }
    }
  }

  return {
    get: async (request) => decodeEntry(request.kind, await entryOf(request)),
    list,
    create,
    update,
    remove,
    removeAll,
  };
}

/** Marked for deletion, and nobody holds it any more. */
function isFinished(object: ApiObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers = [] } = object.metadata;
  const spec = object['spec'] as JsonObject | undefined;
  const held = object.kind === 'Namespace' && Array.isArray(spec?.['finalizers']) && spec['finalizers'].length > 0;
  return deletionTimestamp !== undefined && finalizers.length === 0 && !held && (deletionGracePeriodSeconds ?? 0) === 0;
}

function withoutRevision(object: ApiObject): ApiObject {
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Names a kind in a list: "PodList". */
export const listKind = (kind: Kind): string => `${kind.kind}List`;
