// Events on Services, for what a user of the cluster should hear from this node.
import type { ApiClient } from '../kube/client.ts';
import { events } from '../kube/resources.ts';
import type { Service } from '../kube/types.ts';

export type ReportEvent = (service: Service | undefined, reason: string, message: string) => void;

/** Events are best effort: an API server that does not take one is no trouble of ours. */
export function createEventReporter(
  client: ApiClient,
  nodeName: string,
  now: () => number,
  onError: (error: unknown) => void,
): ReportEvent {
  return (service, reason, message) => {
    if (!service) return;
    const { name, namespace, uid } = service.metadata;
    const time = new Date(now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const event = {
      apiVersion: 'v1' as const,
      kind: 'Event' as const,
      metadata: { name: `${name}.${now().toString(16)}`, namespace, uid: '' },
      involvedObject: { apiVersion: 'v1', kind: 'Service', namespace, name, uid },
      reason,
      message: message.slice(0, 1000),
      type: 'Warning',
      source: { component: 'kube-proxy', host: nodeName },
      reportingComponent: 'kube-proxy',
      reportingInstance: nodeName,
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
    client.create(events, event).catch(onError);
  };
}
