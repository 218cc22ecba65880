// What real kubectl needs in front of a kubelet API: discovery of pods, one pod, and its streams passed on byte for byte.
import { createServer, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Pod } from '../../../kube/types.ts';

export interface KubectlFront {
  /** For --server. */
  readonly url: string;
  stop(): void;
}

const names = new Map([
  ['log', 'containerLogs'],
  ['exec', 'exec'],
  ['attach', 'attach'],
  ['portforward', 'portForward'],
]);

/** The API's path and parameters in the kubelet's: "stdin" is "input" there, and so on. */
function kubeletPath(url: URL, pod: Pod): string | undefined {
  const [, subresource = ''] = /^\/api\/v1\/namespaces\/[^/]+\/pods\/[^/]+\/(\w+)$/.exec(url.pathname) ?? [];
  const name = names.get(subresource);
  if (!name) return undefined;
  const { namespace, name: podName } = pod.metadata;
  const query = new URLSearchParams();
  const renamed: Record<string, string> = { stdin: 'input', stdout: 'output', stderr: 'error' };
  for (const [key, value] of url.searchParams) {
    const flag = name === 'exec' || name === 'attach' ? renamed[key] : undefined;
    if (flag || key === 'tty') {
      if (value === 'true') query.append(flag ?? key, '1');
    } else if (key !== 'container') query.append(key, value);
  }
  const container = url.searchParams.get('container') ?? pod.spec.containers[0]?.name ?? '';
  const tail = name === 'portForward' ? '' : `/${container}`;
  return `/${name}/${namespace}/${podName}${tail}?${query}`;
}

const list = (kind: string, more: object): object => ({ kind, apiVersion: 'v1', ...more });

function answerOf(path: string, pod: Pod): object | undefined {
  if (path === '/version') return { major: '1', minor: '36', gitVersion: 'v1.36.0' };
  if (path === '/api') return list('APIVersions', { versions: ['v1'], serverAddressByClientCIDRs: [] });
  if (path === '/apis') return list('APIGroupList', { groups: [] });
  if (path === '/api/v1') {
    const verbs = ['get', 'list'];
    const pods = { name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', verbs, shortNames: ['po'] };
    return list('APIResourceList', { groupVersion: 'v1', resources: [pods] });
  }
  return path.endsWith(`/pods/${pod.metadata.name}`) ? pod : undefined;
}

function upgradeHead(res: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${res.statusCode} ${res.statusMessage}`];
  for (let i = 0; i < res.rawHeaders.length; i += 2) lines.push(`${res.rawHeaders[i]}: ${res.rawHeaders[i + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

export async function startKubectlFront(pod: Pod, kubelet: RequestOptions): Promise<KubectlFront> {
  const sockets = new Set<Duplex>();
  const to = (req: IncomingMessage): RequestOptions | undefined => {
    const path = kubeletPath(new URL(req.url ?? '', 'http://front'), pod);
    const { host: _, ...headers } = req.headers;
    return path ? { ...kubelet, agent: false, path, method: req.method ?? 'GET', headers } : undefined;
  };
  const server = createServer((req, res) => {
    const onward = to(req);
    if (onward) {
      return void httpsRequest(onward, (answer) => {
        res.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(res);
      }).end();
    }
    const body = answerOf(req.url?.split('?')[0] ?? '', pod);
    res.writeHead(body ? 200 : 404, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify(body ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404 }));
  });
  server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
    const onward = to(req);
    if (!onward) return void socket.destroy();
    socket.on('error', () => {});
    sockets.add(socket);
    const request = httpsRequest(onward);
    request.on('error', () => socket.destroy());
    request.on('response', (res) => {
      socket.write(upgradeHead(res));
      res.pipe(socket);
    });
    request.on('upgrade', (res, inner, innerHead) => {
      inner.on('error', () => {});
      inner.on('close', () => socket.destroy());
      socket.on('close', () => inner.destroy());
      socket.write(upgradeHead(res));
      socket.write(innerHead);
      inner.write(head);
      inner.pipe(socket);
      socket.pipe(inner);
    });
    request.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    stop() {
      server.close();
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    },
  };
}
