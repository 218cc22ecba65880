// /exec, /attach and /run: finds the container, agrees on a protocol, joins the streams.
import type { Log } from '../../host/log.ts';
import type { Pod } from '../../kube/types.ts';
import type { ObservedContainer } from '../model.ts';
import { type Exchange, sendText } from './exchange.ts';
import type { PodLookup } from './lookup.ts';
import type { ContainerPath } from './rules/routes.ts';
import {
  chooseProtocol,
  nothingAskedFor,
  offeredProtocols,
  parseStreamOptions,
  type StreamOptions,
  spdyCommandProtocols,
  webSocketCommandProtocols,
} from './rules/stream-options.ts';
import { type CommandEngine, runAttach, runExec } from './streams/command.ts';
import type { RemoteStreams } from './streams/remote.ts';
import { acceptSpdyCommand } from './streams/spdy-command.ts';
import { socketTransport } from './streams/transport.ts';
import type { WebSocketDoor } from './streams/websocket.ts';
import { acceptWebSocketCommand } from './streams/websocket-command.ts';
import { acceptSpdyUpgrade, refuseProtocols, refuseUpgrade } from './upgrades.ts';

export interface CommandParts {
  readonly engine: CommandEngine;
  readonly pods: PodLookup;
  readonly door: WebSocketDoor;
  readonly log: Log;
}

async function runningContainer(pods: PodLookup, pod: Pod, name: string): Promise<ObservedContainer | undefined> {
  const { containers } = await pods.observe(pod.metadata.uid);
  return containers.find((container) => container.name === name && container.phase === 'running');
}

export async function serveExec(parts: CommandParts, at: ContainerPath, exchange: Exchange): Promise<void> {
  const found = await findTarget(parts, at, exchange, `container not found ("${at.container}")`);
  if (!found) return;
  const options = parseStreamOptions(exchange.query);
  if (!options) return sendText(exchange.response(), 400, nothingAskedFor);
  const command = exchange.query.getAll('command');
  await serve(parts, exchange, options, (remote) =>
    runExec(parts.engine, found.container.id, command, options, remote),
  );
}

export async function serveAttach(parts: CommandParts, at: ContainerPath, exchange: Exchange): Promise<void> {
  const absent = `container ${at.container} not found in pod ${at.pod}_${at.namespace}`;
  const found = await findTarget(parts, at, exchange, absent);
  if (!found) return;
  const asked = parseStreamOptions(exchange.query);
  if (!asked) return sendText(exchange.response(), 400, nothingAskedFor);
  // Whether there is a terminal was settled when the container was made; the query cannot change it.
  const tty = hasTerminal(found.pod, at.container);
  const options = { ...asked, tty, stderr: asked.stderr && !tty };
  await serve(parts, exchange, options, (remote) => runAttach(parts.engine, found.container.id, options, remote));
}

/** The answer is the program's output, both streams as they come. */
export async function serveRun(parts: CommandParts, at: ContainerPath, exchange: Exchange): Promise<void> {
  const found = await findTarget(parts, at, exchange, `container not found ("${at.container}")`);
  if (!found) return;
  const command = (exchange.query.get('cmd') ?? '').split(' ');
  const res = exchange.response();
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const write = (data: Buffer): Promise<void> => {
    if (!res.headersSent) res.writeHead(200, { 'Content-Type': 'application/json' });
    return new Promise((resolve) => res.write(data, () => resolve()));
  };
  const streams = { stdin: undefined, resizes: undefined, stdout: write, stderr: write, gone: gone.signal };
  await runExec(parts.engine, found.container.id, command, runOptions, {
    ...streams,
    async finish(outcome) {
      if (outcome.end === 'failed') return sendText(res, 500, outcome.message);
      if (outcome.end === 'exited') await write(Buffer.from(`command exited with ${outcome.code}`));
      if (!res.headersSent) res.writeHead(200, { 'Content-Type': 'application/json' });
      res.end();
    },
  });
}

const runOptions: StreamOptions = { stdin: false, stdout: true, stderr: true, tty: false };

async function findTarget(
  { pods }: CommandParts,
  at: ContainerPath,
  exchange: Exchange,
  absent: string,
): Promise<{ pod: Pod; container: ObservedContainer } | undefined> {
  const pod = pods.find(at.namespace, at.pod, at.uid);
  if (!pod) {
    sendText(exchange.response(), 404, 'pod does not exist');
    return undefined;
  }
  const container = await runningContainer(pods, pod, at.container);
  if (container) return { pod, container };
  sendText(exchange.response(), 500, absent);
  return undefined;
}

function hasTerminal(pod: Pod, name: string): boolean {
  const { containers, initContainers = [], ephemeralContainers = [] } = pod.spec;
  return [...containers, ...initContainers, ...ephemeralContainers].find((one) => one.name === name)?.tty === true;
}

async function serve(
  parts: CommandParts,
  exchange: Exchange,
  options: StreamOptions,
  run: (remote: RemoteStreams) => Promise<void>,
): Promise<void> {
  const remote = await openStreams(parts, exchange, options);
  if (remote) await run(remote);
}

async function openStreams(
  { door, log }: CommandParts,
  exchange: Exchange,
  options: StreamOptions,
): Promise<RemoteStreams | undefined> {
  const { req, upgrade } = exchange;
  const kind = req.headers.upgrade?.toLowerCase();
  if (upgrade && kind === 'websocket') {
    const offered = offeredProtocols(req.headers['sec-websocket-protocol']);
    const protocol = offered.length === 0 ? '' : chooseProtocol(offered, webSocketCommandProtocols);
    if (protocol === undefined) return refuseProtocols(exchange, offered, webSocketCommandProtocols, 400);
    const socket = await door.open(req, upgrade.socket, upgrade.head, protocol);
    return acceptWebSocketCommand(socket, options, protocol);
  }
  if (upgrade && kind === 'spdy/3.1') {
    const protocol = acceptSpdyUpgrade(exchange, upgrade, spdyCommandProtocols);
    if (protocol === undefined) return undefined;
    return acceptSpdyCommand(socketTransport(upgrade.socket), options, protocol, (err) =>
      log.warn({ err }, 'SPDY connection broke off'),
    );
  }
  return refuseUpgrade(exchange);
}
