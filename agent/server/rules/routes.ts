// Which part of the server answers a path.

/** A container as a path names it. */
export interface ContainerPath {
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string | undefined;
  readonly container: string;
}

export type Route =
  | { readonly to: 'healthz' | 'pods' | 'runningpods' | 'configz' | 'summary' }
  | { readonly to: 'metrics' | 'metrics/resource' | 'metrics/cadvisor' | 'metrics/probes' }
  | { readonly to: 'containerLogs'; readonly at: ContainerPath }
  | { readonly to: 'exec' | 'attach' | 'run'; readonly at: ContainerPath }
  | { readonly to: 'portForward'; readonly at: Omit<ContainerPath, 'container'> }
  | { readonly to: 'refusal'; readonly code: 404 | 405 };

const notFound: Route = { to: 'refusal', code: 404 };
const notAllowed: Route = { to: 'refusal', code: 405 };

const plain: ReadonlyMap<string, { readonly route: Route; readonly methods: readonly string[] }> = new Map([
  ['healthz', { route: { to: 'healthz' }, methods: ['GET'] }],
  ['healthz/ping', { route: { to: 'healthz' }, methods: ['GET'] }],
  ['pods', { route: { to: 'pods' }, methods: ['GET'] }],
  ['runningpods', { route: { to: 'runningpods' }, methods: ['GET'] }],
  ['stats/summary', { route: { to: 'summary' }, methods: ['GET', 'POST'] }],
  ['metrics', { route: { to: 'metrics' }, methods: ['GET'] }],
  ['metrics/resource', { route: { to: 'metrics/resource' }, methods: ['GET'] }],
  ['metrics/probes', { route: { to: 'metrics/probes' }, methods: ['GET'] }],
  ['metrics/cadvisor', { route: { to: 'metrics/cadvisor' }, methods: ['GET'] }],
  ['configz', { route: { to: 'configz' }, methods: ['GET'] }],
]);

const streaming: ReadonlyMap<string, readonly string[]> = new Map([
  ['containerLogs', ['GET']],
  ['exec', ['GET', 'POST']],
  ['attach', ['GET', 'POST']],
  ['portForward', ['GET', 'POST']],
  ['run', ['POST']],
]);

/** The route of a decoded path; a refusal where there is none, or none for this method. */
export function routeOf(method: string, segments: readonly string[]): Route {
  const known = plain.get(segments.join('/'));
  if (known) return known.methods.includes(method) ? known.route : notAllowed;
  const [first = '', ...rest] = segments;
  const methods = streaming.get(first);
  const route = methods && streamingRoute(first, rest);
  if (!methods || !route) return notFound;
  return methods.includes(method) ? route : notAllowed;
}

function streamingRoute(first: string, rest: readonly string[]): Route | undefined {
  const [namespace, pod, third, fourth] = rest;
  if (namespace === undefined || pod === undefined) return undefined;
  if (first === 'portForward') {
    return rest.length <= 3 ? { to: 'portForward', at: { namespace, pod, uid: third } } : undefined;
  }
  if (third === undefined || rest.length > 4) return undefined;
  if (first === 'containerLogs') {
    return fourth === undefined
      ? { to: 'containerLogs', at: { namespace, pod, uid: undefined, container: third } }
      : undefined;
  }
  const at =
    fourth === undefined
      ? { namespace, pod, uid: undefined, container: third }
      : { namespace, pod, uid: third, container: fourth };
  if (first === 'exec' || first === 'attach' || first === 'run') return { to: first, at };
  return undefined;
}
