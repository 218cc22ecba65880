// The kinds that are asked and answered: token reviews, access reviews, "who am I". Answers come from the code that guards every request.
import type { Grant, Rule } from '../auth/policy.ts';
import { mayDo, rulesOf } from '../auth/rules.ts';
import type { Tokens } from '../auth/tokens.ts';
import {
  type ApiObject,
  type Attributes,
  at,
  type JsonObject,
  list,
  object as objectOf,
  text,
  type User,
} from '../model.ts';
import { badRequest } from '../rules/status-error.ts';

export interface ReviewParts {
  readonly policy: readonly Grant[];
  readonly tokens: Tokens;
  readonly audiences: readonly string[];
}

type Answerer = (review: ApiObject, user: User, parts: ReviewParts) => JsonObject | Promise<JsonObject>;

const strings = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);

function userOf(value: JsonObject): User {
  return { name: text(value['user']), groups: strings(value['groups']) };
}

function attributesOf(spec: JsonObject): Attributes {
  const nonResource = spec['nonResourceAttributes'];
  const asked = objectOf(spec['resourceAttributes']);
  const empty = { group: '', version: '', resource: '', subresource: '', namespace: '', name: '' };
  if (nonResource) return { ...empty, verb: text(at(nonResource, 'verb')), path: text(at(nonResource, 'path')) };
  const of = (name: string): string => text(asked[name]);
  return {
    verb: of('verb'),
    group: of('group'),
    version: of('version'),
    resource: of('resource'),
    subresource: of('subresource'),
    namespace: of('namespace'),
    name: of('name'),
  };
}

function requireOneAttribute(spec: JsonObject): void {
  const count = Number(spec['resourceAttributes'] !== undefined) + Number(spec['nonResourceAttributes'] !== undefined);
  if (count !== 1) throw badRequest('exactly one of nonResourceAttributes or resourceAttributes must be specified');
}

function accessReview(user: User, spec: JsonObject, { policy }: ReviewParts): JsonObject {
  requireOneAttribute(spec);
  return { allowed: mayDo(policy, user, attributesOf(spec)) };
}

const subjectAccessReview: Answerer = (review, _caller, parts) => {
  const spec = objectOf(review['spec']);
  const user = userOf(spec);
  if (user.name === '' && user.groups.length === 0) throw badRequest('at least one of user or group must be specified');
  return accessReview(user, spec, parts);
};

const selfAccessReview: Answerer = (review, user, parts) => accessReview(user, objectOf(review['spec']), parts);

function rulesReview(user: User, namespace: string, { policy }: ReviewParts): JsonObject {
  const held = rulesOf(policy, user).filter((rule) => rule.namespace === undefined || rule.namespace === namespace);
  const resource = ({ verbs, groups = [], resources = [], names }: Rule): JsonObject => ({
    verbs,
    apiGroups: groups,
    resources,
    ...(names ? { resourceNames: names } : {}),
  });
  return {
    resourceRules: held.filter((rule) => rule.resources).map(resource),
    nonResourceRules: held.filter((rule) => rule.paths).map(({ verbs, paths }) => ({ verbs, nonResourceURLs: paths })),
    incomplete: false,
  };
}

const userInfo = (user: User): JsonObject => ({
  username: user.name,
  ...(user.uid ? { uid: user.uid } : {}),
  groups: user.groups,
  ...(user.extra && Object.keys(user.extra).length > 0 ? { extra: user.extra } : {}),
});

const tokenReview: Answerer = async (review, _caller, { tokens, audiences }) => {
  const token = text(at(review, 'spec.token'));
  if (token === '') throw badRequest('token is required for TokenReview in authentication');
  const asked = list(at(review, 'spec.audiences')).map(String);
  const checked = await tokens.check(token, asked.length > 0 ? asked : audiences);
  if (!checked) return { user: {}, error: 'invalid bearer token' };
  return { authenticated: true, user: userInfo(checked.user), audiences: checked.audiences };
};

const answerers: Readonly<Record<string, Answerer>> = {
  TokenReview: tokenReview,
  SubjectAccessReview: subjectAccessReview,
  LocalSubjectAccessReview: subjectAccessReview,
  SelfSubjectAccessReview: selfAccessReview,
  SelfSubjectRulesReview: (review, user, parts) => rulesReview(user, text(at(review, 'spec.namespace')), parts),
  SelfSubjectReview: (_review, user) => ({ userInfo: userInfo(user) }),
};

/** The review with its status filled in; undefined for a kind that is not a review. */
export async function answerReview(review: ApiObject, user: User, parts: ReviewParts): Promise<ApiObject | undefined> {
  const answerer = answerers[review.kind];
  return answerer && { ...review, status: await answerer(review, user, parts) };
}
