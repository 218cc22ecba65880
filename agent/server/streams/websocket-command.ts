// exec and attach over a WebSocket: each message begins with its channel. 0 stdin, 1 stdout, 2 stderr, 3 error, 4 resize.
import { renderOutcome } from '../rules/outcome.ts';
import type { StreamOptions } from '../rules/stream-options.ts';
import { channelCodec } from './channels.ts';
import { createInbox, type Inbox } from './inbox.ts';
import type { RemoteStreams } from './remote.ts';
import { PeerGone } from './transport.ts';
import type { MessageSocket } from './websocket.ts';

const closeChannel = 255;

/** Serves an opened WebSocket; `protocol` is what the handshake agreed on, "" for none. */
export function acceptWebSocketCommand(socket: MessageSocket, options: StreamOptions, protocol: string): RemoteStreams {
  const codec = channelCodec(protocol);
  const gone = new AbortController();
  const stdin = options.stdin ? createInbox() : undefined;
  const resizes = options.tty ? createInbox() : undefined;
  const inputs: ReadonlyMap<number, Inbox> = new Map([
    ...(stdin ? ([[0, stdin]] as const) : []),
    ...(resizes ? ([[4, resizes]] as const) : []),
  ]);
  const send = (channel: number, data: Buffer): Promise<void> => socket.send(codec.encode(channel, data));

  async function receive(): Promise<void> {
    for await (const message of socket.messages) {
      const { channel, data } = codec.decode(message) ?? { channel: -1, data: message };
      if (channel === closeChannel && protocol.startsWith('v5.')) inputs.get(data[0] ?? -1)?.end();
      else await inputs.get(channel)?.push(data);
    }
  }
  receive()
    .catch(() => {})
    .finally(() => {
      gone.abort(new PeerGone());
      for (const inbox of inputs.values()) inbox.fail(new PeerGone());
    });

  // Callers learn from this empty message that the server has taken over (v1 clients wait for it).
  const firstOutput = options.stdout ? 1 : options.stderr ? 2 : 3;
  send(firstOutput, Buffer.alloc(0)).catch(() => {});

  return {
    stdin,
    resizes,
    stdout: options.stdout ? (data) => send(1, data) : undefined,
    stderr: options.stderr ? (data) => send(2, data) : undefined,
    async finish(outcome) {
      const text = renderOutcome(outcome, protocol);
      for (const inbox of inputs.values()) inbox.discard();
      if (text !== '') await send(3, Buffer.from(text)).catch(() => {});
      await socket.close();
    },
    gone: gone.signal,
  };
}
