// What a URL and a method ask for, in the words of authorisation. Pure.
import type { Attributes } from '../model.ts';
import { badRequest } from './status-error.ts';

export interface Route extends Attributes {
  readonly query: URLSearchParams;
  /** The rest of the path after the subresource: what a proxied node, pod or service is asked for. */
  readonly rest: string;
}

const verbs: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};
const subresourcesOfNamespace = new Set(['status', 'finalize']);

const isTrue = (text: string | null): boolean => text !== null && text !== '0' && text !== 'false';

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest(`the path segment "${segment}" is not well encoded`);
  }
}

/** Reads method and URL. Throws a 400 `StatusError` where the URL cannot be read. */
export function parseRoute(method: string, url: string): Route {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
  const segments = path.split('/').filter((segment, at, all) => segment !== '' || (at > 0 && at < all.length - 1));
  const plain: Route = {
    ...{ verb: method.toLowerCase(), path, group: '', version: '', resource: '', subresource: '' },
    ...{ namespace: '', name: '', query, rest: '' },
  };
  const isCore = segments[0] === 'api';
  if (!isCore && segments[0] !== 'apis') return plain;
  const head = isCore ? 2 : 3;
  if (segments.length <= head) return plain;
  const group = isCore ? '' : decode(segments[1] ?? '');
  const version = decode(segments[head - 1] ?? '');
  return { ...resourceRoute(method, segments.slice(head), query), group, version, query };
}

function resourceRoute(
  method: string,
  segments: string[],
  query: URLSearchParams,
): Omit<Route, 'group' | 'version' | 'query'> {
  let rest = segments;
  let namespace = '';
  let verb = verbs[method] ?? '';
  if (rest[0] === 'watch') {
    // The old path form of a watch; upstream still answers it.
    rest = rest.slice(1);
    query.set('watch', 'true');
  }
  if (rest[0] === 'namespaces' && rest.length > 2 && !subresourcesOfNamespace.has(rest[2] ?? '')) {
    namespace = decode(rest[1] ?? '');
    rest = rest.slice(2);
  } else if (rest[0] === 'namespaces' && rest.length > 1) namespace = decode(rest[1] ?? '');
  const [resource = '', name = '', subresource = '', ...tail] = rest.map(decode);
  if (name === '') {
    if (verb === 'get') verb = isTrue(query.get('watch')) ? 'watch' : 'list';
    if (verb === 'delete') verb = 'deletecollection';
  } else if (verb === 'get' && subresource === '' && isTrue(query.get('watch'))) verb = 'watch';
  const proxied = tail.length > 0 ? `/${rest.slice(3).join('/')}` : '';
  return { verb, resource, subresource, namespace, name, rest: proxied };
}
