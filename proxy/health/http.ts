// A small HTTP listener that keeps trying to listen.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { Clock } from '../../host/clock.ts';
import type { Bind } from '../config/config.ts';

const retryMs = 5000;

/** Listens on an address; rejects when it cannot. */
export async function listen({ host, port }: Bind, answer: RequestListener): Promise<Server> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, answer);
  server.maxConnections = 256;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port, ipv6Only: host.includes(':') && host !== '::' }, () => resolve());
  await promise;
  return server;
}

export function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Listens until `signal` ends; an address that is taken is tried again every 5 s, after `onError` was told. */
export async function serveUntil(
  bind: Bind,
  answer: RequestListener,
  clock: Clock,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const server = await listen(bind, answer);
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      return await close(server);
    } catch (error) {
      onError(error);
      await clock.sleep(retryMs, signal).catch(() => {});
    }
  }
}
