// The health check nodePorts: a load balancer asks there whether this node has an endpoint of the Service.
import type { RequestListener, Server } from 'node:http';
import { close, listen } from './http.ts';
import { serviceAnswer } from './rules.ts';

export interface WantedCheck {
  /** "namespace/name" */
  readonly service: string;
  readonly port: number;
  readonly localEndpoints: number;
}

export interface ServiceChecks {
  /** Opens, closes and updates listeners; a port that cannot be had is tried again at the next call. */
  ensure(wanted: readonly WantedCheck[]): Promise<void>;
  close(): Promise<void>;
}

export interface ServiceCheckParts {
  readonly hosts: () => readonly string[];
  readonly isProxyHealthy: () => boolean;
  /** Hears once of each port that cannot be opened. */
  readonly onBindFailure: (check: WantedCheck, error: unknown) => void;
}

interface Listener {
  check: WantedCheck;
  readonly servers: readonly Server[];
}

export function createServiceChecks({ hosts, isProxyHealthy, onBindFailure }: ServiceCheckParts): ServiceChecks {
  const open = new Map<string, Listener>();
  const failed = new Set<string>();

  const answer =
    (key: string): RequestListener =>
    (_request, response) => {
      const check = open.get(key)?.check;
      const { code, body } = serviceAnswer(check?.service ?? '', check?.localEndpoints ?? 0, isProxyHealthy());
      response.writeHead(code, {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(check?.localEndpoints ?? 0),
      });
      response.end(`${JSON.stringify(body)}\n`);
    };

  async function openCheck(key: string, check: WantedCheck): Promise<void> {
    const servers: Server[] = [];
    try {
      for (const host of hosts()) servers.push(await listen({ host, port: check.port }, answer(key)));
      open.set(key, { check, servers });
      failed.delete(key);
    } catch (error) {
      await Promise.all(servers.map(close));
      if (!failed.has(key)) onBindFailure(check, error);
      failed.add(key);
    }
  }

  async function closeCheck(key: string): Promise<void> {
    const listener = open.get(key);
    open.delete(key);
    await Promise.all((listener?.servers ?? []).map(close));
  }

  return {
    async ensure(wanted) {
      const byKey = new Map(wanted.map((check) => [`${check.service} ${check.port}`, check]));
      for (const key of [...open.keys()]) if (!byKey.has(key)) await closeCheck(key);
      for (const key of failed) if (!byKey.has(key)) failed.delete(key);
      for (const [key, check] of byKey) {
        const listener = open.get(key);
        if (listener) listener.check = check;
        else await openCheck(key, check);
      }
    },
    async close() {
      await Promise.all([...open.keys()].map(closeCheck));
    },
  };
}
