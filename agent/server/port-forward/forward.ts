// Joins a caller's connection to a port of the pod: both ways, each half closed on its own, nobody faster than the other.
import type { Socket } from 'node:net';
import type { Inbox } from '../streams/inbox.ts';

/** The caller's two streams for one connection. */
export interface ForwardEnds {
  readonly port: number;
  readonly input: Inbox;
  write(data: Buffer): Promise<void>;
  end(): Promise<void>;
  /** What went wrong, in words; the caller prints it. */
  fail(message: string): Promise<void>;
}

export interface ForwardTarget {
  /** A new connection to the pod's port on its loopback address. */
  dial(port: number): Promise<Socket>;
  /** The sandbox's id and the UID, as messages name the pod. */
  readonly sandboxId: string;
  readonly uid: string;
}

/** Resolves when both directions are done. Never rejects: the caller is told, or has gone. */
export async function forward(ends: ForwardEnds, target: ForwardTarget): Promise<void> {
  let socket: Socket;
  try {
    socket = await target.dial(ends.port);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    ends.input.discard();
    const said = `error forwarding port ${ends.port} to pod ${target.sandboxId}, uid ${target.uid}: ${why}`;
    await ends.fail(said).catch(() => {});
    await ends.end().catch(() => {});
    return;
  }
  socket.on('error', () => {});
  socket.on('close', () => ends.input.discard());
  socket.setNoDelay(true);
  try {
    await Promise.all([toPod(ends, socket), fromPod(ends, socket)]);
  } finally {
    socket.destroy();
    ends.input.discard();
  }
}

async function toPod({ input }: ForwardEnds, socket: Socket): Promise<void> {
  try {
    for await (const data of input) {
      if (socket.write(data)) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      socket.once('drain', resolve).once('close', resolve);
      await promise;
      socket.off('drain', resolve).off('close', resolve);
    }
    socket.end();
  } catch {
    // The caller reset its stream or vanished: nobody waits for the pod's answer.
    socket.destroy();
  }
}

async function fromPod(ends: ForwardEnds, socket: Socket): Promise<void> {
  try {
    for await (const data of socket.iterator({ destroyOnReturn: false })) await ends.write(data as Buffer);
  } catch {
    // A reset by the pod ends the stream like its end; a caller that vanished hears nothing any more.
    socket.destroy();
  }
  await ends.end().catch(() => {});
}
