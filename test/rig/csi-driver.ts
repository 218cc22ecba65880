// A storage driver for tests: a node plugin and its registrar on real sockets. Staging mounts a tmpfs, publishing binds it.
import { mkdir, rm, rmdir } from 'node:fs/promises';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { dirname } from 'node:path';
import * as m from '../../agent/volumes/csi/messages.ts';
import { decode, encode, type Message, type Shape } from '../../agent/volumes/rules/protobuf.ts';
import { bindMount, isMountPoint, mount, unmount } from '../../host/mounts.ts';

export interface CsiDriver {
  /** Each call in order: the method's last name and what it was given. */
  readonly calls: readonly { readonly method: string; readonly request: Readonly<Record<string, unknown>> }[];
  /** The next call of a method is answered with this status. */
  failNext(method: string, status: number, message: string): void;
  stop(): Promise<void>;
}

export interface CsiDriverOptions {
  readonly name: string;
  /** The plugin's own socket, and the registrar's below plugins_registry. */
  readonly socket: string;
  readonly registrarSocket: string;
  readonly capabilities?: readonly number[];
  readonly type?: string;
}

type Answer = (request: Record<string, unknown>) => Promise<Record<string, unknown>>;

export async function startCsiDriver(options: CsiDriverOptions): Promise<CsiDriver> {
  const calls: { method: string; request: Record<string, unknown> }[] = [];
  const failures = new Map<string, { status: number; message: string }>();
  const nothing: Answer = async () => ({});
  const answers: readonly (readonly [m.Method<Shape, Shape>, Answer])[] = [
    [
      m.getInfo,
      async () => ({
        type: options.type ?? 'CSIPlugin',
        name: options.name,
        endpoint: options.socket,
        supportedVersions: ['1.0.0'],
      }),
    ],
    [m.notifyRegistrationStatus, nothing],
    [
      m.nodeGetInfo,
      async () => ({
        nodeId: 'storage-node-1',
        maxVolumesPerNode: 7,
        accessibleTopology: { segments: { 'topology.test/zone': 'a' } },
      }),
    ],
    [
      m.nodeGetCapabilities,
      async () => ({
        capabilities: (options.capabilities ?? [m.nodeCapabilities.stageUnstage]).map((type) => ({ rpc: { type } })),
      }),
    ],
    [
      m.nodeStageVolume,
      async ({ stagingTargetPath }) => {
        if (!(await isMountPoint(String(stagingTargetPath))))
          await mount('tmpfs', 'csi-test', String(stagingTargetPath), []);
        return {};
      },
    ],
    [m.nodeUnstageVolume, async ({ stagingTargetPath }) => unmount(String(stagingTargetPath)).then(() => ({}))],
    [
      m.nodePublishVolume,
      async ({ stagingTargetPath, targetPath, readonly }) => {
        const target = String(targetPath);
        if (await isMountPoint(target)) return {};
        await mkdir(target);
        if (stagingTargetPath) await bindMount(String(stagingTargetPath), target, readonly ? ['ro'] : []);
        else await mount('tmpfs', 'csi-test', target, []);
        return {};
      },
    ],
    [
      m.nodeUnpublishVolume,
      async ({ targetPath }) => {
        await unmount(String(targetPath));
        await rmdir(String(targetPath)).catch(() => {});
        return {};
      },
    ],
  ];

  async function serve(stream: ServerHttp2Stream, path: string): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
    const found = answers.find(([method]) => method.path === path);
    const name = path.slice(path.lastIndexOf('/') + 1);
    const finish = (status: number, message: string, body?: Buffer): void => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': `${status}`, 'grpc-message': message }));
      stream.end(body);
    };
    if (!found) return finish(12, `unknown method ${path}`);
    const request = decode(found[0].request, Buffer.concat(chunks).subarray(5)) as Record<string, unknown>;
    calls.push({ method: name, request });
    const failure = failures.get(name);
    failures.delete(name);
    if (failure) return finish(failure.status, encodeURIComponent(failure.message));
    try {
      const body = encode(found[0].answer, (await found[1](request)) as Message<Shape>);
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(body.length, 1);
      finish(0, '', Buffer.concat([prefix, body]));
    } catch (error) {
      finish(13, encodeURIComponent((error as Error).message));
    }
  }

  async function listen(socket: string): Promise<Http2Server> {
    await mkdir(dirname(socket), { recursive: true });
    await rm(socket, { force: true });
    const server = createServer();
    server.on('stream', (stream, headers) => void serve(stream, String(headers[':path'])));
    await new Promise<void>((resolve, reject) => server.on('error', reject).listen(socket, resolve));
    return server;
  }

  const servers = [await listen(options.socket), await listen(options.registrarSocket)];
  return {
    calls,
    failNext: (method, status, message) => void failures.set(method, { status, message }),
    stop: async () => {
      for (const server of servers) await new Promise((resolve) => server.close(resolve));
      for (const socket of [options.socket, options.registrarSocket]) await rm(socket, { force: true });
    },
  };
}
