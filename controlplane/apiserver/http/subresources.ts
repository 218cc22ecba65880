// Subresources that are more than a part of their object: binding, eviction, scale, tokens.
import { requireOwnPodToken } from '../admission/node-restriction.ts';
import type { Tokens } from '../auth/tokens.ts';
import type { Parts, Request } from '../context.ts';
import { type ApiObject, at, type JsonObject, object as objectOf, text, type User } from '../model.ts';
import type { Registry } from '../registry.ts';
import { bindPod } from '../rules/binding.ts';
import { evictionVerdict } from '../rules/eviction.ts';
import type { Decoder } from '../rules/protobuf.ts';
import { selectionOf } from '../rules/selector.ts';
import { badRequest, conflict, notFound, tooManyRequests } from '../rules/status-error.ts';
import { decodeObject, type Expected } from './decode.ts';
import { readBody } from './request-body.ts';
import type { Exchange } from './resources.ts';
import { sendObject } from './respond.ts';
import { serveScale } from './scale.ts';

export interface Subresources {
  /** False where the subresource is an ordinary part of its object. */
  serve(exchange: Exchange, request: Request): Promise<boolean>;
  /** POST to /bindings: the pod stands in the body. */
  bindAtCollection(exchange: Exchange, user: User, binding: ApiObject): Promise<boolean>;
}

export interface SubresourceParts extends Parts {
  readonly registry: Registry;
  readonly tokens: Tokens;
  readonly audiences: readonly string[];
  readonly decoder: Decoder;
}

const expected: Readonly<Record<string, Expected>> = {
  binding: { apiVersion: 'v1', kind: 'Binding', type: 'core/v1.Binding' },
  eviction: { apiVersion: 'policy/v1', kind: 'Eviction', type: 'policy/v1.Eviction' },
  token: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', type: 'authentication/v1.TokenRequest' },
};

const success = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
const shortestTokenSeconds = 600;
const longestTokenSeconds = 2 ** 32;

export function createSubresources(parts: SubresourceParts): Subresources {
  const kindOf = (resource: string) => {
    const kind = parts.kinds.find((one) => one.resource === resource);
    if (!kind) throw new Error(`"${resource}" is not served`);
    return kind;
  };

  async function readAs(exchange: Exchange, request: Request, name: string): Promise<ApiObject> {
    const { incoming } = exchange;
    const want = expected[name] as Expected;
    const bytes = await readBody(incoming);
    return decodeObject(parts.schema, parts.decoder, want, incoming.headers['content-type'], bytes, request);
  }

  async function bind(exchange: Exchange, request: Request, binding: ApiObject): Promise<void> {
    await parts.registry.update({ ...request, subresource: 'binding' }, (pod) =>
      bindPod(request.kind, pod, binding, parts.clock.now()),
    );
    await sendObject(exchange.incoming, exchange.outgoing, { ...success, code: 201 }, { code: 201 });
  }

  async function bindAtCollection(exchange: Exchange, user: User, binding: ApiObject): Promise<boolean> {
    const { namespace } = exchange.route;
    const { name } = binding.metadata;
    if (!name) throw badRequest('name must be provided');
    const kind = kindOf('pods');
    const request: Request = {
      kind,
      user,
      namespace,
      name,
      subresource: 'binding',
      dryRun: false,
      fieldManager: '',
      fieldValidation: 'Warn',
      warnings: [],
    };
    await bind(exchange, request, binding);
    return true;
  }

  async function evict(exchange: Exchange, request: Request): Promise<void> {
    const eviction = await readAs(exchange, request, 'eviction');
    const pod = await parts.registry.get({ ...request, subresource: '' });
    const budgets = await parts.registry.list(
      { ...request, kind: kindOf('poddisruptionbudgets'), name: '' },
      { selection: selectionOf(kindOf('poddisruptionbudgets'), '', '') },
    );
    const verdict = evictionVerdict(pod, budgets.objects);
    if (verdict.do === 'Refuse') throw tooManyRequests(verdict.message, verdict.causes);
    if (verdict.do === 'Spend') await spend(request, verdict.budget, pod);
    const options = objectOf(eviction['deleteOptions']);
    await parts.registry.remove({ ...request, subresource: '' }, options);
    await sendObject(exchange.incoming, exchange.outgoing, { ...success, code: 201 }, { code: 201 });
  }

  /** One disruption less, written before the pod goes, so that two evictions cannot spend the same one. */
  async function spend(request: Request, budget: string, pod: ApiObject): Promise<void> {
    const at_ = new Date(parts.clock.now()).toISOString().slice(0, 19);
    const target = { ...request, kind: kindOf('poddisruptionbudgets'), name: budget, subresource: 'status' };
    await parts.registry.update(target, (current) => {
      const status = objectOf(current['status']);
      const left = Number(status['disruptionsAllowed'] ?? 0);
      if (left <= 0) throw conflict(target.kind, budget, 'the budget has just been spent');
      const disruptedPods = { ...objectOf(status['disruptedPods']), [pod.metadata.name]: `${at_}Z` };
      return { ...current, status: { ...status, disruptionsAllowed: left - 1, disruptedPods } };
    });
  }

  /** The object that a token shall die with must be there, and be the one that is meant. */
  async function boundTo(request: Request, reference: JsonObject) {
    const kind = text(reference['kind']);
    if (kind !== 'Pod' && kind !== 'Secret' && kind !== 'Node') {
      throw badRequest(`cannot bind token for serviceaccount "${request.name}" to kind "${kind}"`);
    }
    const target = kindOf(`${kind.toLowerCase()}s`);
    const name = text(reference['name']);
    const object = await parts.registry.get({
      ...request,
      kind: target,
      name,
      namespace: kind === 'Node' ? '' : request.namespace,
    });
    const uid = object.metadata.uid ?? '';
    if (reference['uid'] && reference['uid'] !== uid) {
      throw conflict(
        target,
        name,
        `the UID in the bound object reference (${text(reference['uid'])}) does not match the UID in record. The object might have been deleted and then recreated`,
      );
    }
    if (kind === 'Pod' && at(object, 'spec.serviceAccountName') !== request.name) {
      throw badRequest(
        `cannot bind token for serviceaccount "${request.name}" to pod running with different serviceaccount name.`,
      );
    }
    if (kind === 'Pod')
      requireOwnPodToken(request.kind, request.user, request.name, { node: text(at(object, 'spec.nodeName')) });
    return { bound: { kind, name, uid } as const, ...(await nodeOf(request, at(object, 'spec.nodeName'))) };
  }

  async function nodeOf(request: Request, nodeName: unknown) {
    if (typeof nodeName !== 'string') return {};
    const entry = await parts.store.get(`${kindOf('nodes').prefix}${nodeName}`);
    if (!entry) return {};
    const node = await parts.registry.get({ ...request, kind: kindOf('nodes'), name: nodeName, namespace: '' });
    return { node: { name: nodeName, uid: node.metadata.uid ?? '' } };
  }

  async function token(exchange: Exchange, request: Request): Promise<void> {
    const account = await parts.registry.get({ ...request, subresource: '' });
    if (account.metadata.deletionTimestamp) throw notFound(request.kind, request.name);
    const sent = await readAs(exchange, request, 'token');
    const spec = objectOf(sent['spec']);
    const audiences =
      Array.isArray(spec['audiences']) && spec['audiences'].length > 0
        ? spec['audiences'].map(String)
        : parts.audiences;
    const seconds = Number(spec['expirationSeconds'] ?? 3600);
    if (seconds < shortestTokenSeconds || seconds > longestTokenSeconds) {
      throw badRequest(
        `spec.expirationSeconds: Invalid value: ${seconds}: may not specify a duration less than 10 minutes`,
      );
    }
    const reference = spec['boundObjectRef'];
    if (at(reference, 'kind') !== 'Pod') requireOwnPodToken(request.kind, request.user, request.name, undefined);
    const wish = {
      namespace: request.namespace,
      account: { name: request.name, uid: account.metadata.uid ?? '' },
      audiences,
      expirationSeconds: seconds,
      ...(reference ? await boundTo(request, objectOf(reference)) : {}),
    };
    const { token: value, expires } = await parts.tokens.issue(wish);
    const metadata = {
      name: request.name,
      namespace: request.namespace,
      creationTimestamp: expires && new Date(parts.clock.now()).toISOString().slice(0, 19).concat('Z'),
    };
    const answer = {
      ...sent,
      metadata,
      spec: { ...spec, audiences, expirationSeconds: seconds },
      status: { token: value, expirationTimestamp: expires },
    };
    await sendObject(exchange.incoming, exchange.outgoing, answer, { code: 201, warnings: request.warnings });
  }

  return {
    serve: async (exchange, request) => {
      switch (request.subresource) {
        case 'binding':
          await bind(exchange, request, await readAs(exchange, request, 'binding'));
          return true;
        case 'eviction':
          await evict(exchange, request);
          return true;
        case 'scale':
          await serveScale(parts, exchange, request);
          return true;
        case 'token':
          await token(exchange, request);
          return true;
        default:
          return false;
      }
    },
    bindAtCollection,
  };
}
