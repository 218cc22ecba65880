// A program of its own, run inside a pod's network namespace: opens connections there and hands each socket to the agent.
// A socket stays in the namespace it was made in, so the agent then talks to the pod with nothing in between.
import type { Socket } from 'node:net';

interface Call {
  readonly id: number;
  readonly port: number;
}

/** Its text is what runs, in another process: it may use nothing but its parameters and what every Node has. */
function dial(net: typeof import('node:net'), process: NodeJS.Process): void {
  const connectMs = 10_000;

  function connect(host: string, port: number): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host, port, allowHalfOpen: true });
      // Paused before the first read: what a server says first must be read by the agent, not here.
      socket.pause();
      socket.setTimeout(connectMs, () => socket.destroy(new Error(`dial tcp ${host}:${port}: i/o timeout`)));
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.setTimeout(0);
        socket.off('error', reject);
        resolve(socket);
      });
    });
  }

  async function answer({ id, port }: Call): Promise<void> {
    try {
      // Both families, as "localhost" means: a server may listen on either.
      const socket = await connect('127.0.0.1', port).catch((first) =>
        connect('::1', port).catch(() => Promise.reject(first)),
      );
      process.send?.({ id }, socket, () => {});
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
    }
  }

  process.on('message', (call: Call) => void answer(call));
  // The agent has gone: nobody will ask any more.
  process.on('disconnect', () => process.exit(0));
  process.send?.({ ready: true });
}

/** For `node -e`: carried as text, so that it is there however the agent was built and wherever it was started. */
export const dialerProgram = `(${dial})(require('node:net'), process)`;
