// The proxy's two HTTP doors: health for load balancers (:10256), figures and configuration for operators (:10249).
import type { RequestListener, ServerResponse } from 'node:http';
import type { ProxyConfig } from './config/config.ts';
import type { FamilyHealth } from './health/rules.ts';
import { type HealthAnswer, healthAnswer, isEligible } from './health/rules.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { ClusterView, Family } from './model.ts';

function pathOf(url: string | undefined): string {
  return (url ?? '/').split('?', 1)[0] ?? '/';
}

function send(response: ServerResponse, code: number, type: string, body: string): void {
  response.writeHead(code, { 'content-type': type, 'x-content-type-options': 'nosniff' });
  response.end(body);
}

export interface HealthParts {
  readonly view: ClusterView;
  readonly health: () => ReadonlyMap<Family, FamilyHealth>;
  readonly metrics: Metrics;
  readonly now: () => number;
  /** A change that waits longer than this is trouble. */
  readonly timeoutMs: number;
}

/** /healthz (with the node's eligibility) and /livez (without). */
export function healthListener({ view, health, metrics, now, timeoutMs }: HealthParts): RequestListener {
  return (request, response) => {
    const path = pathOf(request.url).slice(1);
    if (path !== 'healthz' && path !== 'livez')
      return send(response, 404, 'text/plain; charset=utf-8', '404 page not found\n');
    const eligible = path === 'healthz' ? isEligible(view.node()) : undefined;
    const answer: HealthAnswer = healthAnswer(health(), now(), timeoutMs, eligible);
    metrics.healthAnswered(path, answer.code);
    send(response, answer.code, 'application/json', `${JSON.stringify(answer.body)}\n`);
  };
}

/** /metrics, /healthz, /proxyMode and /configz. */
export function metricsListener(config: ProxyConfig, metrics: Metrics): RequestListener {
  const pages: Readonly<Record<string, () => [type: string, body: string]>> = {
    '/healthz': () => ['text/plain; charset=utf-8', 'ok'],
    '/proxyMode': () => ['text/plain; charset=utf-8', 'iptables'],
    '/configz': () => ['application/json', JSON.stringify({ 'kubeproxy.config.k8s.io': config.source })],
  };
  return (request, response) => {
    const path = pathOf(request.url);
    const page = pages[path];
    if (page) return send(response, 200, ...page());
    if (path !== '/metrics') return send(response, 404, 'text/plain; charset=utf-8', '404 page not found\n');
    metrics.registry.metrics().then(
      (text) => send(response, 200, metrics.registry.contentType, text),
      () => send(response, 500, 'text/plain; charset=utf-8', 'cannot collect\n'),
    );
  };
}
