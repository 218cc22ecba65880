// Decides by rules whether a user may do something, and says in upstream's words that he may not. Pure.
import type { Attributes, User } from '../model.ts';
import type { Grant, Rule } from './policy.ts';

const has = (list: readonly string[] | undefined, value: string): boolean =>
  list !== undefined && (list.includes('*') || list.includes(value));

function coversPath(paths: readonly string[], path: string): boolean {
  return paths.some((one) => one === '*' || one === path || (one.endsWith('*') && path.startsWith(one.slice(0, -1))));
}

function coversResource(rule: Rule, asked: Attributes): boolean {
  const full = asked.subresource === '' ? asked.resource : `${asked.resource}/${asked.subresource}`;
  const resources = rule.resources ?? [];
  const named = resources.includes('*') || resources.includes(full) || resources.includes(`*/${asked.subresource}`);
  return named && has(rule.groups, asked.group) && (rule.names === undefined || rule.names.includes(asked.name));
}

function covers(rule: Rule, asked: Attributes): boolean {
  if (!has(rule.verbs, asked.verb)) return false;
  if (rule.namespace !== undefined && rule.namespace !== asked.namespace) return false;
  if (rule.oneByOne && asked.name === '') return false;
  return asked.path === undefined ? coversResource(rule, asked) : coversPath(rule.paths ?? [], asked.path);
}

const isFor = (grant: Grant, user: User): boolean =>
  grant.user === user.name || (grant.group !== undefined && user.groups.includes(grant.group));

/** The rules that hold for a user. */
export function rulesOf(policy: readonly Grant[], user: User): Rule[] {
  return policy.filter((grant) => isFor(grant, user)).flatMap((grant) => grant.rules);
}

export function mayDo(policy: readonly Grant[], user: User, asked: Attributes): boolean {
  return policy.some((grant) => isFor(grant, user) && grant.rules.some((rule) => covers(rule, asked)));
}

const quote = (value: string): string => JSON.stringify(value);

/** The sentence after "is forbidden: ". */
export function refusal(user: User, asked: Attributes): string {
  if (asked.path !== undefined) return `User ${quote(user.name)} cannot ${asked.verb} path ${quote(asked.path)}`;
  const resource = asked.subresource === '' ? asked.resource : `${asked.resource}/${asked.subresource}`;
  const where = asked.namespace === '' ? 'at the cluster scope' : `in the namespace ${quote(asked.namespace)}`;
  return `User ${quote(user.name)} cannot ${asked.verb} resource ${quote(resource)} in API group ${quote(asked.group)} ${where}`;
}
