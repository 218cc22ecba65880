// The verbs on stored kinds: from a routed request to the registry and back to an answer.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Parts, Request } from '../context.ts';
import type { ApiObject } from '../model.ts';
import { type ListQuery, listKind, type Registry } from '../registry.ts';
import { type Answer, chooseAnswer } from '../rules/accept.ts';
import type { Decoder } from '../rules/protobuf.ts';
import type { Route } from '../rules/route.ts';
import { badRequest, methodNotAllowed } from '../rules/status-error.ts';
import { type IncludeObject, partial, tableOf } from '../rules/table.ts';
import type { Watches } from '../watch.ts';
import { mediaType } from './body.ts';
import { decodeObject, readTyped } from './decode.ts';
import { isSet, readDeleteOptions, readListQuery, readSeconds } from './options.ts';
import { readPatch } from './patch.ts';
import { readBody } from './request-body.ts';
import { sendObject, warningHeaders } from './respond.ts';

export interface Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly route: Route;
  /** Ends when the client goes or the server closes. */
  readonly signal: AbortSignal;
}

export interface Resources {
  serve(exchange: Exchange, request: Request): Promise<void>;
}

function includeOf(query: URLSearchParams): IncludeObject {
  const asked = query.get('includeObject') || 'Metadata';
  if (asked === 'None' || asked === 'Metadata' || asked === 'Object') return asked;
  throw badRequest(`includeObject: Unsupported value: "${asked}": supported values: "Metadata", "None", "Object"`);
}

export function createResources(parts: Parts, registry: Registry, watches: Watches, decoder: Decoder): Resources {
  const { schema, clock } = parts;

  async function answerWith(
    { incoming, outgoing, route }: Exchange,
    request: Request,
    object: ApiObject,
    code = 200,
  ): Promise<void> {
    const answer = chooseAnswer(incoming.headers.accept);
    await sendObject(incoming, outgoing, formOf(answer, route, request, object), {
      code,
      media: answer.media,
      warnings: request.warnings,
    });
  }

  function formOf(answer: Answer, route: Route, request: Request, object: ApiObject): object {
    if (answer.form === 'object') return object;
    if (answer.form !== 'table') return partial(object, answer.version);
    const { resourceVersion } = object.metadata;
    const options = { include: includeOf(route.query), version: answer.version, nowMs: clock.now(), definitions: true };
    return tableOf(request.kind, [object], resourceVersion ? { resourceVersion } : {}, options);
  }

  async function list(exchange: Exchange, request: Request): Promise<void> {
    const { incoming, outgoing, route } = exchange;
    const answer = chooseAnswer(incoming.headers.accept);
    const { objects, metadata } = await registry.list(request, readListQuery(request.kind, route.query, request.name));
    const body = listForm(answer, route, request, objects, metadata);
    await sendObject(incoming, outgoing, body, { media: answer.media, warnings: request.warnings });
  }

  function listForm(answer: Answer, route: Route, request: Request, objects: ApiObject[], metadata: object): object {
    const { kind } = request;
    if (answer.form === 'table') {
      const options = {
        include: includeOf(route.query),
        version: answer.version,
        nowMs: clock.now(),
        definitions: true,
      };
      return tableOf(kind, objects, metadata, options);
    }
    if (answer.form !== 'object') {
      const items = objects.map((object) => partial(object, answer.version));
      return { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${answer.version}`, metadata, items };
    }
    return { kind: listKind(kind), apiVersion: kind.apiVersion, metadata, items: objects.map(withoutType) };
  }

  async function watch(exchange: Exchange, request: Request): Promise<void> {
    const { incoming, outgoing, route, signal } = exchange;
    const { query } = route;
    const answer = chooseAnswer(incoming.headers.accept);
    // Between 30 and 60 minutes, so that not all watchers come back at once.
    const seconds = readSeconds(query, 'timeoutSeconds') || 1800 + Math.floor(Math.random() * 1800);
    const wanted = {
      ...readListQuery(request.kind, query, request.name),
      answer,
      include: includeOf(query),
      bookmarks: isSet(query, 'allowWatchBookmarks'),
      sendInitialEvents: isSet(query, 'sendInitialEvents'),
      timeoutMs: Math.min(seconds, 86_400) * 1000,
    };
    await watches.run(request, wanted, () => openStream(outgoing, request, signal), signal);
    outgoing.end();
  }

  async function create(exchange: Exchange, request: Request): Promise<void> {
    const { incoming } = exchange;
    const bytes = await readBody(incoming);
    const object = decodeObject(schema, decoder, request.kind, incoming.headers['content-type'], bytes, request);
    await answerWith(exchange, request, await registry.create(request, object), 201);
  }

  async function update(exchange: Exchange, request: Request): Promise<void> {
    const { incoming } = exchange;
    const bytes = await readBody(incoming);
    const object = decodeObject(schema, decoder, request.kind, incoming.headers['content-type'], bytes, request);
    requireName(request, object);
    await answerWith(exchange, request, await registry.update(request, () => structuredClone(object)));
  }

  function requireName({ name, namespace, kind }: Request, { metadata }: ApiObject): void {
    if (!metadata.name) throw badRequest('name must be provided');
    if (metadata.name !== name) {
      throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
    }
    if (kind.namespaced && metadata.namespace && metadata.namespace !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    }
  }

  async function patch(exchange: Exchange, request: Request): Promise<void> {
    const { incoming } = exchange;
    const type = mediaType(incoming.headers['content-type']);
    const bytes = await readBody(incoming);
    const change = readPatch(schema, request.kind.type, type, bytes.toString('utf8'));
    const done = await registry.update(request, (current) => {
      const value = change(current);
      return readTyped(schema, request.kind, { value, duplicates: [] }, request.fieldValidation, request.warnings);
    });
    await answerWith(exchange, request, done);
  }

  async function remove(exchange: Exchange, request: Request): Promise<void> {
    const { incoming, outgoing, route } = exchange;
    const options = readDeleteOptions(await readBody(incoming), incoming.headers['content-type'], route.query, decoder);
    const { object, gone } = await registry.remove({ ...request, dryRun: options.dryRun }, options);
    if (!gone) return answerWith(exchange, request, object);
    const { group, resource } = request.kind;
    const details = {
      name: request.name,
      ...(group === '' ? {} : { group }),
      kind: resource,
      uid: object.metadata.uid,
    };
    await sendObject(incoming, outgoing, {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details,
    });
  }

  async function removeAll(exchange: Exchange, request: Request): Promise<void> {
    const { incoming, outgoing, route } = exchange;
    const options = readDeleteOptions(await readBody(incoming), incoming.headers['content-type'], route.query, decoder);
    const query: ListQuery = readListQuery(request.kind, route.query, '');
    const objects = await registry.removeAll({ ...request, dryRun: options.dryRun }, query, options);
    const { apiVersion } = request.kind;
    await sendObject(incoming, outgoing, {
      kind: listKind(request.kind),
      apiVersion,
      metadata: { resourceVersion: String(parts.store.rev()) },
      items: objects.map(withoutType),
    });
  }

  return {
    serve: async (exchange, request) => {
      switch (exchange.route.verb) {
        case 'get':
          return answerWith(exchange, request, await registry.get(request));
        case 'list':
          return list(exchange, request);
        case 'watch':
          return watch(exchange, request);
        case 'create':
          return create(exchange, request);
        case 'update':
          return update(exchange, request);
        case 'patch':
          return patch(exchange, request);
        case 'delete':
          return remove(exchange, request);
        case 'deletecollection':
          return removeAll(exchange, request);
        default:
          throw methodNotAllowed();
      }
    },
  };
}

/** Items of a list do not repeat what the list says: upstream leaves apiVersion and kind out. */
function withoutType({ apiVersion: _, kind: __, ...rest }: ApiObject): object {
  return rest;
}

/** Starts the answer and gives the way to add lines, which waits while the client does not read. */
function openStream(outgoing: ServerResponse, request: Request, signal: AbortSignal): (line: Buffer) => Promise<void> {
  outgoing.setHeader('content-type', 'application/json');
  outgoing.setHeader('cache-control', 'no-cache, private');
  if (request.warnings.length > 0) outgoing.setHeader('warning', warningHeaders(request.warnings));
  outgoing.flushHeaders();
  return async (line) => {
    if (signal.aborted || outgoing.write(line)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        outgoing.off('drain', done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      outgoing.on('drain', done);
      signal.addEventListener('abort', done);
    });
  };
}
