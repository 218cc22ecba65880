// Port-forward over a WebSocket, the older way: ports in the query, channel 2i for data and 2i+1 for errors of the i-th.
import { channelCodec } from '../streams/channels.ts';
import { createInbox } from '../streams/inbox.ts';
import { PeerGone } from '../streams/transport.ts';
import type { MessageSocket } from '../streams/websocket.ts';
import { type ForwardEnds, type ForwardTarget, forward } from './forward.ts';

/** Resolves when every connection is done or the caller has gone. Never rejects. */
export async function serveChannels(
  socket: MessageSocket,
  ports: readonly number[],
  protocol: string,
  target: ForwardTarget,
): Promise<void> {
  const codec = channelCodec(protocol);
  const inboxes = ports.map(() => createInbox());
  const send = (channel: number, data: Buffer): Promise<void> => socket.send(codec.encode(channel, data));

  async function receive(): Promise<void> {
    for await (const message of socket.messages) {
      const { channel, data } = codec.decode(message) ?? { channel: -1, data: message };
      if (channel % 2 === 0) await inboxes[channel / 2]?.push(data);
    }
  }
  receive()
    .catch(() => {})
    .finally(() => {
      for (const inbox of inboxes) inbox.fail(new PeerGone());
    });

  async function serveOne(port: number, input: ForwardEnds['input'], i: number): Promise<void> {
    const name = Buffer.alloc(2);
    name.writeUInt16LE(port);
    await Promise.all([send(2 * i, name), send(2 * i + 1, name)]).catch(() => {});
    const fail = (message: string): Promise<void> => send(2 * i + 1, Buffer.from(message));
    await forward({ port, input, write: (data) => send(2 * i, data), end: async () => {}, fail }, target);
  }

  await Promise.all(ports.map((port, i) => serveOne(port, inboxes[i] ?? createInbox(), i)));
  await socket.close();
}
