// :10248, plain HTTP on the loopback address: says that this process answers, to whoever supervises it.
import { createServer } from 'node:http';

export interface HealthzServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Listens; rejects where the address is taken. Port 0 takes a free one. */
export async function createHealthzServer(options: { address: string; port: number }): Promise<HealthzServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (req, res) => {
    const known = req.method === 'GET' && req.url?.split('?')[0] === '/healthz';
    res.writeHead(known ? 200 : 404, { 'Content-Type': 'text/plain; charset=utf-8' });
    res.end(known ? 'ok' : '404 page not found\n');
  });
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  return {
    port: bound !== null && typeof bound === 'object' ? bound.port : options.port,
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
