// Every request passes here: who asks, what for, may they, and who answers. Refusals become Status bodies.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { anonymous, authenticate } from '../auth/authenticate.ts';
import type { Grant } from '../auth/policy.ts';
import { mayDo, refusal } from '../auth/rules.ts';
import type { Tokens } from '../auth/tokens.ts';
import type { Parts, Request } from '../context.ts';
import type { Kind } from '../kinds/kind.ts';
import type { User } from '../model.ts';
import { chooseAnswer } from '../rules/accept.ts';
import type { Decoder } from '../rules/protobuf.ts';
import { parseRoute, type Route } from '../rules/route.ts';
import type { ResourceRow } from '../rules/schema.ts';
import { internal, methodNotAllowed, noSuchPath, StatusError, unauthorized } from '../rules/status-error.ts';
import { decodeObject } from './decode.ts';
import type { Documents } from './documents.ts';
import { readDryRun, readFieldValidation } from './options.ts';
import { refuseUpgrade } from './relay.ts';
import { readBody } from './request-body.ts';
import type { Exchange, Resources } from './resources.ts';
import { sendObject, sendStatus } from './respond.ts';
import { answerReview } from './reviews.ts';
import type { Streams } from './streams.ts';
import type { Subresources } from './subresources.ts';

export interface DoorParts extends Parts {
  readonly policy: readonly Grant[];
  readonly tokens: Tokens;
  readonly audiences: readonly string[];
  readonly asked: readonly ResourceRow[];
  readonly documents: Documents;
  readonly resources: Resources;
  readonly subresources: Subresources;
  readonly streams: Streams;
  readonly decoder: Decoder;
}

export interface Door {
  /** Never rejects: what goes wrong is answered. */
  handle(incoming: IncomingMessage, outgoing: ServerResponse, signal: AbortSignal): Promise<void>;
  /** A request that wants its connection for itself. Never rejects. */
  upgrade(incoming: IncomingMessage, near: Duplex, head: Buffer): Promise<void>;
}

const isRefused = (error: unknown): error is StatusError => error instanceof StatusError;

/** Acting as somebody else is not offered: doing it as oneself instead would be the opposite of what was meant. */
function refuseImpersonation(incoming: IncomingMessage): void {
  if (!Object.keys(incoming.headers).some((name) => name.startsWith('impersonate-'))) return;
  throw new StatusError(403, 'Forbidden', 'forbidden: impersonation is not available', {});
}

/** A list or watch that selects one name asks for that name. */
function named(route: Route): Route {
  if (route.name !== '' || (route.verb !== 'list' && route.verb !== 'watch')) return route;
  const [, name] = /^metadata\.name=([^,]+)$/.exec(route.query.get('fieldSelector') ?? '') ?? [];
  return name === undefined ? route : { ...route, name };
}

export function createDoor(parts: DoorParts): Door {
  const byPath = new Map<string, Kind>(
    parts.kinds.map((kind) => [`${kind.group}/${kind.version}/${kind.resource}`, kind]),
  );

  /** Who asks, for what, and that they may. Throws `StatusError`. */
  async function admit(incoming: IncomingMessage) {
    const route = parseRoute(incoming.method ?? 'GET', incoming.url ?? '/');
    const user = await authenticate(incoming, parts.tokens, parts.audiences);
    refuseImpersonation(incoming);
    if (!mayDo(parts.policy, user, named(route))) {
      if (user === anonymous) throw unauthorized();
      throw refused(user, route);
    }
    return { route, user, request: requestOf(route, user) };
  }

  function refused(user: User, route: Route): StatusError {
    const why = refusal(user, route);
    if (route.path !== undefined) return new StatusError(403, 'Forbidden', `forbidden: ${why}`, {});
    const { group, resource, name } = route;
    const subject = `${resource}${group === '' ? '' : `.${group}`}${name === '' ? '' : ` "${name}"`}`;
    const details = { ...(name === '' ? {} : { name }), ...(group === '' ? {} : { group }), kind: resource };
    return new StatusError(403, 'Forbidden', `${subject} is forbidden: ${why}`, details);
  }

  /** Undefined where the route is not about a stored kind. */
  function requestOf(route: Route, user: User): Request | undefined {
    const kind = byPath.get(`${route.group}/${route.version}/${route.resource}`);
    if (!kind || route.path !== undefined) return undefined;
    requireServed(kind, route);
    return {
      kind,
      user,
      namespace: kind.namespaced ? route.namespace : '',
      name: route.name,
      subresource: route.subresource,
      dryRun: readDryRun(route.query, 'CreateOptions'),
      fieldManager: route.query.get('fieldManager') ?? '',
      fieldValidation: readFieldValidation(route.query),
      warnings: [],
    };
  }

  function requireServed(kind: Kind, { verb, subresource, namespace, name }: Route): void {
    const sub = kind.subresources.find((one) => one.name === subresource);
    if (subresource !== '' && !sub) throw noSuchPath();
    if (!(sub ?? kind).verbs.includes(verb)) throw methodNotAllowed();
    // A cluster-scoped object has one address, a namespaced one is written below its namespace only.
    const isNamespaceItself = kind.resource === 'namespaces' && namespace === name;
    if (!kind.namespaced && namespace !== '' && !isNamespaceItself) throw noSuchPath();
    const isAcross = verb === 'list' || verb === 'watch';
    if (kind.namespaced && namespace === '' && !isAcross) throw verb === 'create' ? methodNotAllowed() : noSuchPath();
  }

  async function review(exchange: Exchange, user: User): Promise<boolean> {
    const { incoming, outgoing, route } = exchange;
    const row = parts.asked.find(
      (one) => one.group === route.group && one.version === route.version && one.resource === route.resource,
    );
    if (!row) return false;
    if (route.verb !== 'create' || route.name !== '') throw methodNotAllowed();
    const type = parts.schema.typeOf(row.group, row.version, row.kind) ?? '';
    const apiVersion = row.group === '' ? row.version : `${row.group}/${row.version}`;
    const how = { fieldValidation: readFieldValidation(route.query), warnings: [] };
    const bytes = await readBody(incoming);
    const contentType = incoming.headers['content-type'];
    const object = decodeObject(
      parts.schema,
      parts.decoder,
      { apiVersion, kind: row.kind, type },
      contentType,
      bytes,
      how,
    );
    const answer = await answerReview(object, user, parts);
    if (!answer) return parts.subresources.bindAtCollection(exchange, user, object);
    await sendObject(incoming, outgoing, answer, { code: 201, media: chooseAnswer(incoming.headers.accept).media });
    return true;
  }

  async function dispatch(incoming: IncomingMessage, outgoing: ServerResponse, signal: AbortSignal): Promise<void> {
    const { route, user, request } = await admit(incoming);
    const exchange: Exchange = { incoming, outgoing, route, signal };
    if (route.path !== undefined) return parts.documents.serve(incoming, outgoing, route.path, route.query);
    if (!request) {
      if (await review(exchange, user)) return;
      throw noSuchPath();
    }
    if (await parts.streams.serve(exchange, request)) return;
    if (await parts.subresources.serve(exchange, request)) return;
    await parts.resources.serve(exchange, request);
  }

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse, signal: AbortSignal): Promise<void> {
    try {
      await dispatch(incoming, outgoing, signal);
    } catch (error) {
      if (signal.aborted) return;
      const refused = isRefused(error) ? error : internal('the request could not be served');
      if (!isRefused(error))
        parts.log.error({ method: incoming.method, path: incoming.url?.split('?')[0], err: error }, 'Request failed');
      if (outgoing.headersSent) outgoing.destroy();
      else await sendStatus(incoming, outgoing, refused, []);
    }
  }

  async function upgrade(incoming: IncomingMessage, near: Duplex, head: Buffer): Promise<void> {
    try {
      const { route, request } = await admit(incoming);
      if (!request) throw noSuchPath();
      await parts.streams.upgrade(incoming, near, head, route, request);
    } catch (error) {
      if (!isRefused(error)) parts.log.error({ path: incoming.url?.split('?')[0], err: error }, 'Upgrade failed');
      refuseUpgrade(near, isRefused(error) ? error : internal('the request could not be served'));
    }
  }

  return { handle, upgrade };
}
