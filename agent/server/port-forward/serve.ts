// /portForward: finds the pod's network namespace, agrees on a protocol, joins connections until the caller has gone.
import type { Log } from '../../../host/log.ts';
import type { ObservedSandbox } from '../../model.ts';
import { type Exchange, sendText } from '../exchange.ts';
import type { PodLookup } from '../lookup.ts';
import type { ContainerPath } from '../rules/routes.ts';
import {
  channelForwardProtocols,
  chooseProtocol,
  offeredProtocols,
  parsePorts,
  spdyForwardProtocols,
  tunnelForwardProtocol,
} from '../rules/stream-options.ts';
import { createSpdyConnection } from '../spdy/connection.ts';
import { socketTransport, type Transport } from '../streams/transport.ts';
import { type WebSocketDoor, webSocketTransport } from '../streams/websocket.ts';
import { acceptSpdyUpgrade, refuseProtocols, refuseUpgrade } from '../upgrades.ts';
import { serveChannels } from './channels.ts';
import type { Dialers } from './dialers.ts';
import { type ForwardTarget, forward } from './forward.ts';
import { createStreamPairs } from './pairs.ts';

export interface ForwardParts {
  readonly pods: PodLookup;
  readonly door: WebSocketDoor;
  readonly dialers: Dialers;
  readonly log: Log;
}

export async function servePortForward(
  parts: ForwardParts,
  at: Omit<ContainerPath, 'container'>,
  exchange: Exchange,
): Promise<void> {
  const pod = parts.pods.find(at.namespace, at.pod, at.uid);
  if (!pod) return sendText(exchange.response(), 404, 'pod does not exist');
  const { sandboxes } = await parts.pods.observe(pod.metadata.uid);
  const sandbox = sandboxes.find(({ phase, pid }) => phase === 'running' && pid > 1);
  if (!sandbox) return sendText(exchange.response(), 500, `pod not found ("${at.pod}_${at.namespace}")`);
  const target = targetOf(parts.dialers, sandbox, at.uid ?? '');
  const { req, upgrade } = exchange;
  switch (upgrade && req.headers.upgrade?.toLowerCase()) {
    case 'websocket':
      return serveWebSocket(parts, exchange, target);
    case 'spdy/3.1': {
      if (!upgrade || !acceptSpdyUpgrade(exchange, upgrade, spdyForwardProtocols)) return;
      return serveSpdy(socketTransport(upgrade.socket), target, parts.log);
    }
    default:
      return refuseUpgrade(exchange);
  }
}

function targetOf(dialers: Dialers, { id, pid, hostNetwork }: ObservedSandbox, uid: string): ForwardTarget {
  return { dial: (port) => dialers.dial(hostNetwork ? 0 : pid, port), sandboxId: id, uid };
}

async function serveWebSocket({ door, log }: ForwardParts, exchange: Exchange, target: ForwardTarget): Promise<void> {
  const { req, upgrade, query } = exchange;
  if (!upgrade) return refuseUpgrade(exchange);
  const spoken = [tunnelForwardProtocol, ...channelForwardProtocols];
  const offered = offeredProtocols(req.headers['sec-websocket-protocol']);
  const protocol = offered.length === 0 ? '' : chooseProtocol(offered, spoken);
  if (protocol === undefined) return refuseProtocols(exchange, offered, spoken, 400);
  if (protocol === tunnelForwardProtocol) {
    const socket = await door.open(req, upgrade.socket, upgrade.head, protocol);
    return serveSpdy(webSocketTransport(socket), target, log);
  }
  const ports = parsePorts(query);
  if (!ports) return sendText(exchange.response(), 400, 'query parameter "port" is required: 1 to 65535, at most 120');
  await serveChannels(await door.open(req, upgrade.socket, upgrade.head, protocol), ports, protocol, target);
}

async function serveSpdy(transport: Transport, target: ForwardTarget, log: Log): Promise<void> {
  const pairs = createStreamPairs((ends) => void forward(ends, target));
  try {
    await createSpdyConnection(transport).run((stream) => pairs.add(stream));
  } catch (err) {
    log.warn({ err }, 'SPDY connection broke off');
  } finally {
    pairs.close();
  }
}
