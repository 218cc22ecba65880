// Logs, exec, attach, port-forward and proxy: finds the far side and passes bytes.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Parts, Request } from '../context.ts';
import { decodeEntry, keyOf, prefixOf } from '../encoding.ts';
import { type ApiObject, at, list, object as objectOf, text } from '../model.ts';
import type { Route } from '../rules/route.ts';
import { badRequest, internal, kubeletRefusal, notFound, StatusError, unavailable } from '../rules/status-error.ts';
import { kubeletOf, kubeletPath, parseProxyName, portOf } from '../rules/streams.ts';
import { type KubeletClient, relay, relayUpgrade, type Target } from './relay.ts';
import type { Exchange } from './resources.ts';
import { sendText } from './respond.ts';

export interface Streams {
  /** False where the subresource is not one of these. */
  serve(exchange: Exchange, request: Request): Promise<boolean>;
  upgrade(incoming: IncomingMessage, near: Duplex, head: Buffer, route: Route, request: Request): Promise<void>;
}

const podStreams = new Set(['exec', 'attach', 'portforward']);

export function createStreams(parts: Parts, kubelet: KubeletClient): Streams {
  const kindOf = (name: string) => {
    const kind = parts.kinds.find((one) => one.kind === name);
    if (!kind) throw new Error(`"${name}" is not served`);
    return kind;
  };

  async function find(kindName: string, namespace: string, name: string): Promise<ApiObject> {
    const kind = kindOf(kindName);
    const entry = await parts.store.get(keyOf(kind, namespace, name));
    if (!entry) throw notFound(kind, name);
    return decodeEntry(kind, entry);
  }

  async function kubeletTarget(nodeName: string, path: string): Promise<Target> {
    return { ...kubeletOf(await find('Node', '', nodeName)), path, tls: kubelet };
  }

  async function podTarget(request: Request, route: Route): Promise<Target | undefined> {
    const pod = await find('Pod', request.namespace, request.name);
    const path = kubeletPath(pod, request.subresource, route.query);
    const node = text(at(pod, 'spec.nodeName'));
    if (node !== '') return kubeletTarget(node, path);
    // There is no log before there is a node, which is not an error.
    if (request.subresource === 'log') return undefined;
    throw badRequest(`pod ${request.name} does not have a host assigned`);
  }

  async function proxyTarget(request: Request, route: Route): Promise<Target> {
    const query = route.query.toString();
    const path = `${route.rest === '' ? '/' : route.rest}${query === '' ? '' : `?${query}`}`;
    const asked = parseProxyName(request.name);
    if (request.kind.kind === 'Node') return kubeletTarget(asked.name, path);
    const place = request.kind.kind === 'Pod' ? await podPlace(request, asked) : await servicePlace(request, asked);
    return { protocol: asked.protocol, ...place, path };
  }

  async function podPlace({ namespace }: Request, asked: { name: string; port: string }) {
    const pod = await find('Pod', namespace, asked.name);
    const host = text(at(pod, 'status.podIP'));
    if (host === '') throw internal('address not allowed: the pod has no IP');
    const ports = list(at(pod, 'spec.containers')).flatMap((one) => list(one['ports']));
    return {
      host,
      port: portOf(
        asked.port,
        ports.map(({ name, containerPort }) => ({ name: text(name), port: Number(containerPort) })),
      ),
    };
  }

  async function servicePlace({ namespace }: Request, asked: { name: string; port: string }) {
    const service = await find('Service', namespace, asked.name);
    const wanted = list(at(service, 'spec.ports')).find(
      (one) => asked.port === '' || one['name'] === asked.port || text(one['port']) === asked.port,
    );
    const slices = kindOf('EndpointSlice');
    const { entries } = await parts.store.list(prefixOf(slices, namespace));
    for (const entry of entries) {
      const slice = decodeEntry(slices, entry);
      if (slice.metadata.labels?.['kubernetes.io/service-name'] !== asked.name) continue;
      const port = list(slice['ports']).find((one) => text(one['name']) === text(wanted?.['name']));
      const endpoint = list(slice['endpoints']).find((one) => objectOf(one['conditions'])['ready'] !== false);
      const addresses = endpoint?.['addresses'];
      if (port && Array.isArray(addresses)) return { host: text(addresses[0]), port: Number(port['port']) };
    }
    throw unavailable(`no endpoints available for service ${JSON.stringify(asked.name)}`);
  }

  async function log({ incoming, outgoing, route, signal }: Exchange, request: Request): Promise<void> {
    const target = await podTarget(request, route);
    if (!target) return sendText(incoming, outgoing, '');
    await relay(incoming, outgoing, target, signal, kubeletRefusal);
  }

  return {
    serve: async (exchange, request) => {
      if (request.subresource === 'log') {
        await log(exchange, request);
        return true;
      }
      if (podStreams.has(request.subresource)) throw badRequest('Upgrade request required');
      if (request.subresource !== 'proxy') return false;
      await relay(exchange.incoming, exchange.outgoing, await proxyTarget(request, exchange.route), exchange.signal);
      return true;
    },
    upgrade: async (incoming, near, head, route, request) => {
      const isPodStream = podStreams.has(request.subresource) || request.subresource === 'log';
      if (!isPodStream && request.subresource !== 'proxy')
        throw new StatusError(400, 'BadRequest', 'this resource cannot be upgraded');
      const target = isPodStream ? await podTarget(request, route) : await proxyTarget(request, route);
      if (!target) throw badRequest(`pod ${request.name} does not have a host assigned`);
      relayUpgrade(incoming, near, head, target);
    },
  };
}
