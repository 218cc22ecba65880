// A lock between processes that the kernel gives back when its holder dies, however it dies.
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Waiting callers look again this often: holders keep the lock for less than a millisecond. */
const LOOK_AGAIN_MS = 2;

/**
 * Runs `work` while no other process of this network namespace runs under the same name. `work` must not wait for long.
 * The lock is a listening socket in the abstract namespace: no file that could be left behind, nothing to break after kill -9.
 */
export async function withLock<T>(name: string, work: () => T, timeoutMs = 10_000): Promise<Awaited<T>> {
  const address = addressOf(name);
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const held = await tryListen(address);
    if (held) {
      try {
        return await work();
      } finally {
        held.close();
      }
    }
    if (performance.now() > deadline) throw new Error(`Cannot lock "${name}": no turn within ${timeoutMs} ms`);
    await sleep(LOOK_AGAIN_MS);
  }
}

/**
 * Takes a lock for as long as this process lives, or until `release`; undefined where another process of this network
 * namespace has it.
 */
export async function holdLock(name: string): Promise<{ release(): void } | undefined> {
  const held = await tryListen(addressOf(name));
  held?.unref();
  return held && { release: () => held.close() };
}

function addressOf(name: string): string {
  return `\0nodelet-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
}

function tryListen(path: string): Promise<Server | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Server | undefined>();
  const server = createServer((socket) => socket.destroy());
  server.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') resolve(undefined);
    else reject(error);
  });
  server.listen({ path, exclusive: true }, () => resolve(server));
  return promise;
}
