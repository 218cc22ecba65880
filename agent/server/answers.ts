// From a route to the part that answers it.
import { serveAttach, serveExec, serveRun } from './commands.ts';
import { type Exchange, sendJson, sendText } from './exchange.ts';
import { sendLogs } from './logs.ts';
import type { OwnMetrics } from './own-metrics.ts';
import { createDialers } from './port-forward/dialers.ts';
import { servePortForward } from './port-forward/serve.ts';
import { parseLogQuery } from './rules/log-query.ts';
import { hasContainer, logSource } from './rules/log-source.ts';
import type { ContainerPath, Route } from './rules/routes.ts';
import type { KubeletServerOptions } from './server.ts';
import { runningPods, sendCadvisorMetrics, sendMetrics, sendResourceMetrics, sendSummary } from './statistics.ts';
import { createWebSocketDoor } from './streams/websocket.ts';

export type Answer = (route: Route, exchange: Exchange) => Promise<void>;

const debugging: ReadonlySet<Route['to']> = new Set([
  'exec',
  'attach',
  'run',
  'portForward',
  'containerLogs',
  'runningpods',
]);

/** `stopping` ends what would go on for ever. */
export function createAnswers(options: KubeletServerOptions, metrics: OwnMetrics, stopping: AbortSignal): Answer {
  const { pods, collector, configuration, debuggingHandlers = true } = options;
  const parts = { ...options, door: createWebSocketDoor() };
  const dialers = createDialers();
  stopping.addEventListener('abort', () => dialers.stop());

  return async (route, exchange) => {
    if (!debuggingHandlers && debugging.has(route.to)) {
      return sendText(exchange.response(), 405, 'Debug endpoints are disabled.');
    }
    switch (route.to) {
      case 'healthz':
        return sendText(exchange.response(), 200, 'ok');
      case 'pods':
        return sendJson(exchange.response(), 200, podList(pods.list()));
      case 'configz':
        return sendJson(exchange.response(), 200, { kubeletconfig: configuration?.() ?? {} });
      case 'runningpods':
        return sendJson(exchange.response(), 200, podList(runningPods(await pods.observeAll())));
      case 'summary':
        return sendSummary(collector, exchange);
      case 'metrics':
        return sendMetrics(exchange.response, await metrics.render());
      case 'metrics/probes':
        return sendMetrics(exchange.response, (await options.probeRegistry?.metrics()) ?? '');
      case 'metrics/resource':
        return sendResourceMetrics(collector, exchange);
      case 'metrics/cadvisor':
        return sendCadvisorMetrics(collector, exchange);
      case 'containerLogs':
        return answerLogs(options, route.at, exchange, stopping);
      case 'exec':
        return serveExec(parts, route.at, exchange);
      case 'attach':
        return serveAttach(parts, route.at, exchange);
      case 'run':
        return serveRun(parts, route.at, exchange);
      case 'portForward':
        return servePortForward({ ...parts, dialers }, route.at, exchange);
      case 'refusal':
        return route.code === 404
          ? sendText(exchange.response(), 404, '404: Page Not Found')
          : sendText(exchange.response(), 405, '405: Method Not Allowed');
    }
  };
}

const podList = (items: readonly unknown[]) => ({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items });

async function answerLogs(
  { pods, engine, clock }: KubeletServerOptions,
  at: ContainerPath,
  exchange: Exchange,
  stopping: AbortSignal,
): Promise<void> {
  const res = exchange.response();
  const query = parseLogQuery(exchange.query, clock.now());
  if ('code' in query) return sendJson(res, query.code, query.body);
  const pod = pods.find(at.namespace, at.pod);
  if (!pod) return sendText(res, 404, `pod "${at.pod}" does not exist`);
  if (!hasContainer(pod, at.container)) {
    return sendText(res, 404, `container "${at.container}" not found in pod "${at.pod}"`);
  }
  const source = logSource(pod, at.container, query.options);
  if ('refusal' in source) return sendText(res, 400, source.refusal);
  await sendLogs(engine, source.id, query.options, res, stopping);
}
