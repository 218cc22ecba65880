// The answers made of one look at the node: /stats/summary, /metrics/resource, /metrics/cadvisor, /runningpods.
import type { ObservedPod } from '../model.ts';
import { type Exchange, sendJson } from './exchange.ts';
import type { Collector } from './stats/collect.ts';
import type { NodeStats } from './stats/model.ts';
import { cadvisorFamilies } from './stats/rules/cadvisor-metrics.ts';
import { expositionType, type Family, renderFamilies } from './stats/rules/exposition.ts';
import { resourceFamilies } from './stats/rules/resource-metrics.ts';
import { summaryOf } from './stats/rules/summary.ts';

export async function sendSummary(collector: Collector, { query, response }: Exchange): Promise<void> {
  const part = query.get('only_cpu_and_memory') === 'true' ? 'cpu and memory' : 'everything';
  sendJson(response(), 200, summaryOf(await collector.collect(), part));
}

export function sendMetrics(response: Exchange['response'], text: string): void {
  const res = response();
  res.writeHead(200, { 'Content-Type': expositionType, 'Content-Length': Buffer.byteLength(text) });
  res.end(text);
}

async function sendFamilies(
  collector: Collector,
  { response }: Exchange,
  families: (stats: NodeStats) => readonly Family[],
): Promise<void> {
  sendMetrics(response, renderFamilies(families(await collector.collect())));
}

export const sendResourceMetrics = (collector: Collector, exchange: Exchange): Promise<void> =>
  sendFamilies(collector, exchange, resourceFamilies);
export const sendCadvisorMetrics = (collector: Collector, exchange: Exchange): Promise<void> =>
  sendFamilies(collector, exchange, cadvisorFamilies);

/** What runs, as the engine knows it: names and images, nothing of the API's. */
export function runningPods(observed: readonly ObservedPod[]): unknown[] {
  return observed.flatMap(({ uid, name, namespace, containers }) => {
    const running = containers.filter(({ phase }) => phase === 'running');
    if (running.length === 0) return [];
    const spec = { containers: running.map((one) => ({ name: one.name, image: one.image, resources: {} })) };
    return [{ metadata: { name, namespace, uid }, spec, status: {} }];
  });
}
