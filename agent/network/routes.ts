// Keeps routes to the pods of nodes on the same segment: the other node is the next hop, nothing is translated or wrapped.
import { ipBatch, LinkError, type RouteState } from '../../host/links.ts';
import type { Log } from '../../host/log.ts';
import { type NodeRoute, planRoutes, ROUTE_PROTOCOL, type Route, wantedRoutes } from './rules/routes.ts';

export type { NodeRoute } from './rules/routes.ts';

/** Makes our routes those to `nodes` (all but this one). Repeatable; routes of others are not touched. */
export async function ensureRoutes(nodes: readonly NodeRoute[], log: Log, signal?: AbortSignal): Promise<void> {
  const changes = planRoutes(wantedRoutes(nodes), await listOurRoutes(signal));
  for (let rest = changes; rest.length > 0; ) {
    const done = await applyUntilRefused(
      rest.map(({ line }) => line),
      log,
      signal,
    );
    for (const { line, because } of rest.slice(0, done)) log.debug({ route: line, because }, 'Route changed');
    rest = rest.slice(done + 1);
  }
}

/** Removes all routes that we have made. */
export async function removeRoutes(log: Log, signal?: AbortSignal): Promise<void> {
  await ensureRoutes([], log, signal);
}

/** How many lines were done before one was refused: a node on another segment must not cost the others their routes. */
async function applyUntilRefused(lines: readonly string[], log: Log, signal?: AbortSignal): Promise<number> {
  try {
    await ipBatch(lines, signal ? { signal } : {});
    return lines.length;
  } catch (err) {
    if (!(err instanceof LinkError) || err.line === undefined) throw err;
    // Deleted by somebody else is what was wanted.
    if (err.reason !== 'NotFound') log.warn({ route: lines[err.line - 1], err }, 'Route refused');
    return err.line - 1;
  }
}

async function listOurRoutes(signal?: AbortSignal): Promise<readonly Route[]> {
  const [v4, v6] = await Promise.all([listFamily(4, signal), listFamily(6, signal)]);
  return [...v4, ...v6].flatMap(({ dst, gateway }) =>
    gateway === undefined ? [] : [{ dst: withPrefix(dst), via: gateway }],
  );
}

async function listFamily(family: 4 | 6, signal?: AbortSignal): Promise<readonly RouteState[]> {
  const [routes = []] = await ipBatch<RouteState>([`route show proto ${ROUTE_PROTOCOL}`], {
    family,
    ...(signal ? { signal } : {}),
  });
  return routes;
}

/** `ip` shows a block of one address without its prefix. */
function withPrefix(dst: string): string {
  if (dst.includes('/')) return dst;
  return dst.includes(':') ? `${dst}/128` : `${dst}/32`;
}
